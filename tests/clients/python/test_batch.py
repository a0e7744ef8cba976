"""Several requests in one, through msgraph-core's client and by hand."""

import uuid

import httpx
import pytest
from msgraph import GraphServiceClient
from msgraph.generated.models.application import Application
from msgraph_core.requests.batch_request_content import BatchRequestContent
from msgraph_core.requests.batch_request_item import BatchRequestItem

from support import graph as graphs
from support.graph import Workload
from support.server import Server, Tenant
from support.tokens import token


async def test_several_answers(graph: GraphServiceClient, workload: Workload):
    content = BatchRequestContent()
    requests = {
        "found": graph.applications.by_application_id(workload.object_id).to_get_request_information(),
        "missing": graph.applications.by_application_id(str(uuid.uuid4())).to_get_request_information(),
        "listed": graph.identity_protection.risky_service_principals.to_get_request_information(),
    }
    for name, request in requests.items():
        content.add_request_information(request, name)
    statuses = (await graph.batch.post(content)).get_response_status_codes()
    # The items have made up ids of their own: only their order is the caller's.
    assert sorted(statuses.values()) == [200, 200, 404]
    assert set(statuses) == set(content.requests)


async def test_a_change(graph: GraphServiceClient, workload: Workload):
    item = graph.applications.by_application_id(workload.object_id)
    request = BatchRequestItem(item.to_patch_request_information(Application(notes="by batch")), "change")
    answer = await graph.batch.post(BatchRequestContent({"change": request}))
    assert answer.get_response_status_codes() == {"change": 204}
    assert (await item.get()).notes == "by batch"


async def test_one_after_the_other(graph: GraphServiceClient, workload: Workload):
    """The client for Python writes `depends_on`, others write `dependsOn`."""
    item = graph.applications.by_application_id(workload.object_id)
    content = BatchRequestContent()
    first = BatchRequestItem(item.to_patch_request_information(Application(notes="first")), "first")
    second = BatchRequestItem(item.to_patch_request_information(Application(notes="second")), "second", ["first"])
    content.add_request("first", first)
    content.add_request("second", second)
    answer = await graph.batch.post(content)
    assert answer.get_response_status_codes() == {"first": 204, "second": 204}
    assert (await item.get()).notes == "second"


async def test_what_depends_on_a_failure_is_not_tried(graph: GraphServiceClient, workload: Workload):
    missing = graph.applications.by_application_id(str(uuid.uuid4()))
    item = graph.applications.by_application_id(workload.object_id)
    content = BatchRequestContent()
    content.add_request("first", BatchRequestItem(missing.to_get_request_information(), "first"))
    content.add_request(
        "second", BatchRequestItem(item.to_patch_request_information(Application(notes="never")), "second", ["first"])
    )
    answer = await graph.batch.post(content)
    assert answer.get_response_status_codes() == {"first": 404, "second": 424}
    assert (await item.get()).notes is None


async def test_twenty_at_once(graph: GraphServiceClient, workload: Workload):
    content = BatchRequestContent()
    for _ in range(20):
        content.add_request_information(
            graph.applications.by_application_id(workload.object_id).to_get_request_information()
        )
    statuses = (await graph.batch.post(content)).get_response_status_codes()
    assert list(statuses.values()) == [200] * 20


# By hand: what is in the answers, and what no client sends.


async def send(
    http: httpx.AsyncClient, bearer: dict[str, str], *requests: dict, path: str = "/v1.0/$batch"
) -> httpx.Response:
    return await http.post(path, json={"requests": list(requests)}, headers=bearer)


async def test_bodies(http: httpx.AsyncClient, bearer: dict[str, str], workload: Workload):
    name = graphs.unique("batched")
    response = await send(
        http, bearer,
        {"id": "1", "method": "GET", "url": f"/applications/{workload.object_id}?$select=id"},
        {"id": "2", "method": "POST", "url": "applications", "body": {"displayName": name},
         "headers": {"Content-Type": "application/json"}},
        {"id": "3", "method": "PATCH", "url": f"/v1.0/applications/{workload.object_id}", "body": {"notes": "x"},
         "headers": {"Content-Type": "application/json"}},
        {"id": "4", "method": "GET", "url": "/no/such/path"},
    )
    assert response.status_code == 200
    answers = {answer["id"]: answer for answer in response.json()["responses"]}
    assert [answers[id]["status"] for id in "123"] == [200, 201, 204]
    assert answers["1"]["body"]["id"] == workload.object_id
    assert answers["2"]["body"]["displayName"] == name
    assert answers["3"].get("body") is None
    assert answers["4"]["status"] in (400, 404) and answers["4"]["body"]["error"]["code"]
    # The clients for Python and JavaScript compare this to the letter, and the latter reads a body where it is said.
    assert answers["1"]["headers"]["Content-Type"].split(";")[0] == "application/json"
    assert ";" not in answers["1"]["headers"]["Content-Type"], "parameters stop the client for Python"
    assert "content-type" not in {name.lower() for name in answers["3"].get("headers") or {}}


@pytest.mark.parametrize("path", ["/v1.0/$batch", "/v1.0/%24batch", "/beta/$batch"])
async def test_where_batches_are_sent(http: httpx.AsyncClient, bearer: dict[str, str], workload: Workload, path: str):
    request = {"id": "1", "method": "GET", "url": f"/servicePrincipals/{workload.service_principal_id}"}
    response = await send(http, bearer, request, path=path)
    assert [answer["status"] for answer in response.json()["responses"]] == [200]


async def test_more_than_twenty(http: httpx.AsyncClient, bearer: dict[str, str]):
    requests = [{"id": str(number), "method": "GET", "url": "/organization"} for number in range(21)]
    assert (await send(http, bearer, *requests)).status_code == 400


@pytest.mark.parametrize(
    "body",
    ["", "[]", '{"requests": 1}', '{"requests": [{"id": "1"}]}', '{"requests": [{"method": "GET", "url": "/"}]}'],
)
async def test_a_batch_that_is_none(http: httpx.AsyncClient, bearer: dict[str, str], body: str):
    headers = bearer | {"Content-Type": "application/json"}
    response = await http.post("/v1.0/$batch", content=body, headers=headers)
    assert response.status_code == 400
    assert response.json()["error"]["code"]


async def test_ids_are_unique(http: httpx.AsyncClient, bearer: dict[str, str]):
    request = {"id": "same", "method": "GET", "url": "/organization"}
    assert (await send(http, bearer, request, request)).status_code == 400


async def test_a_batch_gives_nobody_more_rights(
    http: httpx.AsyncClient, server: Server, contoso: Tenant, workload: Workload
):
    own = {"Authorization": f"Bearer {await token(http, server, contoso, workload.app_id, workload.secret)}"}
    response = await send(http, own, {"id": "1", "method": "GET", "url": "/applications"})
    assert [answer["status"] for answer in response.json()["responses"]] == [403]
