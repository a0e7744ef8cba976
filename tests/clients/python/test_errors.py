"""How Microsoft Graph says no: shape of errors, headers, preconditions."""

import gzip
import json
import re
import uuid
from datetime import datetime

import httpx
import pytest
from msgraph import GraphServiceClient
from msgraph.generated.models.application import Application
from msgraph.generated.models.o_data_errors.o_data_error import ODataError

from support.graph import Workload, with_headers


async def test_an_error_is_an_odata_error(graph: GraphServiceClient):
    missing = str(uuid.uuid4())
    with pytest.raises(ODataError) as raised:
        await graph.applications.by_application_id(missing).get()
    error = raised.value
    assert error.response_status_code == 404
    assert error.error.code == "Request_ResourceNotFound"
    assert missing in error.error.message
    assert uuid.UUID(error.error.inner_error.request_id)
    assert uuid.UUID(error.error.inner_error.client_request_id)
    assert isinstance(error.error.inner_error.date, datetime)
    assert error.response_headers["content-type"].startswith("application/json")


async def test_ids_in_an_error_are_those_of_its_headers(http: httpx.AsyncClient, bearer: dict[str, str]):
    given = str(uuid.uuid4())
    response = await http.get(f"/v1.0/applications/{uuid.uuid4()}", headers=bearer | {"client-request-id": given})
    inner = response.json()["error"]["innerError"]
    assert inner["client-request-id"] == response.headers["client-request-id"] == given
    assert inner["request-id"] == response.headers["request-id"] != given
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", inner["date"]), "without zone and fraction"


async def test_an_answer_has_ids_too(http: httpx.AsyncClient, bearer: dict[str, str]):
    response = await http.get("/v1.0/organization", headers=bearer)
    assert response.status_code == 200
    assert uuid.UUID(response.headers["request-id"])
    assert response.headers["client-request-id"] == response.headers["request-id"]
    assert response.headers["odata-version"] == "4.0"
    assert response.headers["content-type"].startswith("application/json")
    assert "no-" in response.headers["cache-control"]


async def test_what_is_made_says_where(graph: GraphServiceClient, http: httpx.AsyncClient, bearer: dict[str, str]):
    response = await http.post("/v1.0/applications", json={"displayName": "located"}, headers=bearer)
    assert response.status_code == 201
    assert response.headers["location"].endswith(response.json()["id"])
    found = await graph.applications.by_application_id(response.json()["id"]).get()
    assert found.display_name == "located"


@pytest.mark.parametrize("path", ["/v1.0/noSuchThing", "/v2.0/applications", "/v1.0/applications/x/y/z"])
async def test_a_path_that_leads_nowhere(http: httpx.AsyncClient, bearer: dict[str, str], path: str):
    response = await http.get(path, headers=bearer)
    assert response.status_code in (400, 404)
    assert response.json()["error"]["code"] and response.json()["error"]["innerError"]["request-id"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1.0/identityProtection/riskyServicePrincipals"),
        ("DELETE", "/v1.0/applications"),
        ("GET", "/v1.0/identityProtection/riskyServicePrincipals/dismiss"),
    ],
)
async def test_a_method_that_is_not_offered(http: httpx.AsyncClient, bearer: dict[str, str], method: str, path: str):
    response = await http.request(method, path, headers=bearer)
    # The last reads like a risky service principal whose id is `dismiss`.
    assert response.status_code in (404, 405)
    assert response.json()["error"]["code"]


@pytest.mark.parametrize("body", ["", "{", '"text"', "[]", '{"displayName": 5}'])
async def test_a_body_that_cannot_be_read(http: httpx.AsyncClient, bearer: dict[str, str], body: str):
    response = await http.post(
        "/v1.0/applications", content=body, headers=bearer | {"Content-Type": "application/json"}
    )
    assert response.status_code == 400
    assert response.json()["error"]["message"]


async def test_a_compressed_body(http: httpx.AsyncClient, bearer: dict[str, str]):
    """The Graph client for Go compresses what it sends, and sends it once more when told 415."""
    headers = bearer | {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    body = gzip.compress(json.dumps({"displayName": "compressed"}).encode())
    response = await http.post("/v1.0/applications", content=body, headers=headers)
    assert response.status_code in (201, 415), response.text
    if response.status_code == 201:
        assert response.json()["displayName"] == "compressed"


# Preconditions.


@pytest.fixture
async def etag(http: httpx.AsyncClient, bearer: dict[str, str], workload: Workload) -> str:
    """The version of the application as it is now."""
    response = await http.get(f"/v1.0/applications/{workload.object_id}", headers=bearer)
    tag = response.headers.get("etag") or response.json().get("@odata.etag")
    assert tag, "neither ETag nor @odata.etag"
    return tag


async def test_a_change_of_what_was_seen(graph: GraphServiceClient, workload: Workload, etag: str):
    item = graph.applications.by_application_id(workload.object_id)
    await item.patch(Application(notes="seen"), with_headers({"If-Match": etag}))
    assert (await item.get()).notes == "seen"


async def test_a_change_of_what_somebody_else_changed(graph: GraphServiceClient, workload: Workload, etag: str):
    item = graph.applications.by_application_id(workload.object_id)
    await item.patch(Application(notes="somebody else's"))
    with pytest.raises(ODataError) as error:
        await item.patch(Application(notes="mine"), with_headers({"If-Match": etag}))
    assert error.value.response_status_code == 412
    assert error.value.error.code
    assert (await item.get()).notes == "somebody else's"


async def test_a_change_of_whatever_is_there(graph: GraphServiceClient, workload: Workload):
    item = graph.applications.by_application_id(workload.object_id)
    await item.patch(Application(notes="any"), with_headers({"If-Match": "*"}))
    assert (await item.get()).notes == "any"
