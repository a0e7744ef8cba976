"""Requests that no client of Microsoft's sends: refused as a mistake of the client, and nothing is left of them."""

import gzip
import json
import socket
import ssl
import uuid

import httpx
import pytest
from msgraph import GraphServiceClient

from support import graph as graphs
from support import tokens
from support.graph import Workload
from support.server import Server, Tenant

LARGEST = 4 << 20  # of any body


def assert_refused_like_graph(answer: httpx.Response, *statuses: int) -> None:
    assert answer.status_code in statuses, f"{answer.status_code} {answer.text[:500]}"
    assert answer.headers.get("content-type", "").startswith("application/json"), answer.text[:500]
    error = answer.json()["error"]
    assert error["code"] and error["message"] and error["innerError"]["request-id"] == answer.headers["request-id"]


# Bodies and what holds them.


async def test_a_body_that_unpacks_to_far_more(http: httpx.AsyncClient, bearer: dict):
    packed = gzip.compress(b'{"displayName":"' + b"a" * (100 << 20) + b'"}')
    headers = bearer | {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    assert_refused_like_graph(await http.post("/v1.0/applications", content=packed, headers=headers), 413)


@pytest.mark.parametrize("path", ["v1.0/applications", "beta/$batch"])
@pytest.mark.parametrize("size", [(1 << 20) + 1024, LARGEST + 1024])
async def test_a_body_that_is_too_large(http: httpx.AsyncClient, bearer: dict, path: str, size: int):
    body = b'{"displayName":"' + b"a" * size + b'"}'
    headers = bearer | {"Content-Type": "application/json", "client-request-id": "of-this"}
    answer = await http.post(f"/{path}", content=body, headers=headers)
    assert_refused_like_graph(answer, 413)
    assert answer.headers["client-request-id"] == answer.json()["error"]["innerError"]["client-request-id"] == "of-this"


async def test_what_the_router_refuses(http: httpx.AsyncClient, server: Server, contoso: Tenant):
    """Before any handler: a method that a document does not have, and a path that is no text."""
    path = f"/{contoso.id}/v2.0/.well-known/openid-configuration"
    answer = await http.delete(path)
    assert_refused_like_graph(answer, 405)
    assert "GET" in answer.headers["allow"]
    request = http.build_request("GET", "/")
    request.url = httpx.URL(server.authority).copy_with(raw_path=b"/%ff/v2.0/.well-known/openid-configuration")
    assert_refused_like_graph(await http.send(request), 400)
    assert_refused_like_graph(await http.get("/nothing/here"), 404)


async def test_documents_have_heads(http: httpx.AsyncClient, contoso: Tenant):
    """RFC 9110 section 9.3.2: as GET, without the content."""
    for path in ["v1.0/$metadata", "beta/openapi.json", "v1.0", f"{contoso.id}/v2.0/.well-known/openid-configuration"]:
        head, get = await http.head(f"/{path}"), await http.get(f"/{path}")
        assert (head.status_code, head.content) == (200, b""), path
        assert head.headers["content-type"] == get.headers["content-type"]
        assert head.headers["content-length"] == str(len(get.content))


@pytest.mark.parametrize("body", [
    '{"displayName":"a","addIns":' + "[" * 100_000 + "]" * 100_000 + "}",
    '{"displayName":NaN}',
    '{"displayName":"\\ud800"}',
    '{"displayName":"a","addIns":[1e400]}',
    '{"displayName":"a"} and more',
    '["displayName"]',
    '{"displayName":"a","api":{"requestedAccessTokenVersion":99999999999999999999}}',
    '{"displayName":"a","createdDateTime":"0000-00-00T00:00:00Z"}',
])  # fmt: skip
async def test_a_body_that_is_no_application(http: httpx.AsyncClient, bearer: dict, body: str):
    headers = bearer | {"Content-Type": "application/json"}
    assert_refused_like_graph(await http.post("/v1.0/applications", content=body, headers=headers), 400)


# A null character: one of the databases cannot keep it.

NULL_FILTERS = ["displayName eq 'a\0b'", "startswith(displayName,'\0')", "id in ('\0')"]


@pytest.mark.parametrize("path", ["applications", "servicePrincipals", "users"])
@pytest.mark.parametrize("condition", NULL_FILTERS)
async def test_a_null_character_in_a_filter(
    http: httpx.AsyncClient, bearer: dict, path: str, condition: str
):
    answer = await http.get(f"/v1.0/{path}", params={"$filter": condition}, headers=bearer)
    assert answer.status_code in (200, 400), answer.text


@pytest.mark.parametrize("path, body", [
    ("applications", {"displayName": "a\0b"}),
    ("applications", {"displayName": "a", "uniqueName": "a\0"}),
    ("identityProtection/riskyServicePrincipals/confirmCompromised", {"servicePrincipalIds": ["\0"]}),
])  # fmt: skip
async def test_a_null_character_in_a_body(
    http: httpx.AsyncClient, bearer: dict, path: str, body: dict
):
    answer = await http.post(f"/v1.0/{path}", json=body, headers=bearer)
    assert answer.status_code < 500, answer.text


async def test_a_null_character_as_tenant(http: httpx.AsyncClient):
    assert (await http.get("/%00/v2.0/.well-known/openid-configuration")).status_code == 400


# What nobody may set.


async def assert_no_application(http: httpx.AsyncClient, bearer: dict, body: dict) -> None:
    """Refused; what was made all the same is taken away again, or other tests would find it."""
    created = await http.post("/v1.0/applications", json=body, headers=bearer)
    if created.status_code == 201:
        own = f"/{created.json()['id']}" if created.json()["id"] else f"(appId='{created.json()['appId']}')"
        await http.delete(f"/v1.0/applications{own}", headers=bearer)
    assert_refused_like_graph(created, 400)


@pytest.mark.parametrize("name", ["id", "appId"])
async def test_an_application_always_has_its_ids(
    http: httpx.AsyncClient, bearer: dict, workload: Workload, name: str
):
    url = f"/v1.0/applications/{workload.object_id}"
    before = (await http.get(url, headers=bearer)).json()
    assert_refused_like_graph(await http.patch(url, json={name: None}, headers=bearer), 400)
    assert (await http.get(url, headers=bearer)).json() == before
    same = {name: before[name], "deletedDateTime": None}
    assert (await http.patch(url, json=same, headers=bearer)).status_code == 204, "clients send back what they read"
    await assert_no_application(http, bearer, {"displayName": graphs.unique("null"), name: None})


@pytest.mark.parametrize("change", [
    {"id": None}, {"appId": None}, {"appOwnerOrganizationId": None}, {"servicePrincipalType": "ManagedIdentity"},
])  # fmt: skip
async def test_a_service_principal_stays_what_it_is(
    http: httpx.AsyncClient, bearer: dict, workload: Workload, change: dict
):
    url = f"/v1.0/servicePrincipals/{workload.service_principal_id}"
    before = (await http.get(url, headers=bearer)).json()
    assert_refused_like_graph(await http.patch(url, json=change, headers=bearer), 400)
    assert (await http.get(url, headers=bearer)).json() == before


async def test_a_federated_credential_keeps_its_id(http: httpx.AsyncClient, bearer: dict, workload: Workload):
    url = f"/v1.0/applications/{workload.object_id}/federatedIdentityCredentials"
    body = {
        "name": "keeps", "issuer": "https://issuer.example", "subject": "a",
        "audiences": ["api://AzureADTokenExchange"],
    }
    assert_refused_like_graph(await http.post(url, json=body | {"id": None}, headers=bearer), 400)
    made = (await http.post(url, json=body, headers=bearer)).json()
    for id in [None, str(uuid.uuid4())]:
        answer = await http.patch(f"{url}/{made['id']}", json={"id": id}, headers=bearer)
        assert_refused_like_graph(answer, 400)
    found = (await http.get(url, headers=bearer)).json()["value"]
    assert [one["id"] for one in found] == [made["id"]]


@pytest.mark.parametrize("kind", ["applications", "servicePrincipals"])
@pytest.mark.parametrize("name", [None, "", "a" * 257])
async def test_a_name_that_is_none(
    http: httpx.AsyncClient, bearer: dict, workload: Workload, kind: str, name: str | None
):
    id = workload.object_id if kind == "applications" else workload.service_principal_id
    url = f"/v1.0/{kind}/{id}"
    assert_refused_like_graph(await http.patch(url, json={"displayName": name}, headers=bearer), 400)
    assert (await http.get(url, headers=bearer)).json()["displayName"] == workload.name
    await assert_no_application(http, bearer, {"displayName": name})


async def test_the_longest_name(http: httpx.AsyncClient, bearer: dict, workload: Workload):
    url = f"/v1.0/applications/{workload.object_id}"
    name = graphs.unique("ü").ljust(256, "ü")
    assert (await http.patch(url, json={"displayName": name}, headers=bearer)).status_code == 204
    assert (await http.get(url, headers=bearer)).json()["displayName"] == name


@pytest.mark.parametrize("same", ["id", "value"])
async def test_roles_that_cannot_be_told_apart(
    http: httpx.AsyncClient, bearer: dict, workload: Workload, same: str
):
    def role(number: int, **more: object) -> dict:
        return {
            "id": str(uuid.UUID(int=number)), "value": f"Role.{number}", "displayName": "a", "description": "a",
            "allowedMemberTypes": ["Application"], "isEnabled": True,
        } | more

    roles = [role(1), role(2, **{same: role(1)[same]})]
    url = f"/v1.0/applications/{workload.object_id}"
    assert_refused_like_graph(await http.patch(url, json={"appRoles": roles}, headers=bearer), 400)
    assert (await http.get(url, headers=bearer)).json()["appRoles"] == []
    await assert_no_application(http, bearer, {"displayName": graphs.unique("twice"), "appRoles": roles})
    without = [role(1, value=None), role(2, value=None)]
    assert (await http.patch(url, json={"appRoles": without}, headers=bearer)).status_code == 204


@pytest.mark.parametrize("name", [None, "", "nodomain", "somebody@elsewhere.example"])
async def test_a_user_always_has_a_name_of_the_tenant(
    http: httpx.AsyncClient, bearer: dict, contoso: Tenant, name: str | None
):
    body = {
        "displayName": "named", "userPrincipalName": f"{graphs.unique('named')}@{contoso.domain}",
        "accountEnabled": True, "mailNickname": "named", "passwordProfile": {"password": uuid.uuid4().hex},
    }
    made = await http.post("/v1.0/users", json=body, headers=bearer)
    assert made.status_code == 201, made.text
    url = f"/v1.0/users/{made.json()['id']}"
    answer = await http.patch(url, json={"userPrincipalName": name}, headers=bearer)
    await http.delete(url, headers=bearer)
    assert_refused_like_graph(answer, 400)


@pytest.mark.parametrize("profile", [
    {"password": 123456789012345678}, {"password": ["a" * 20]}, {"password": {"a": "b"}}, "a" * 20, ["a" * 20],
])  # fmt: skip
async def test_a_password_that_is_no_text(
    http: httpx.AsyncClient, bearer: dict, contoso: Tenant, profile: object
):
    """Nobody should believe that it was set."""
    body = {
        "displayName": "named", "userPrincipalName": f"{graphs.unique('named')}@{contoso.domain}",
        "accountEnabled": True, "mailNickname": "named",
    }
    assert_refused_like_graph(
        await http.post("/v1.0/users", json=body | {"passwordProfile": profile}, headers=bearer), 400
    )
    made = (await http.post("/v1.0/users", json=body, headers=bearer)).json()
    url = f"/v1.0/users/{made['id']}"
    answer = await http.patch(url, json={"passwordProfile": profile}, headers=bearer)
    await http.delete(url, headers=bearer)
    assert_refused_like_graph(answer, 400)


# Names of resources: whoever takes that of another gets the tokens that are meant for it.


async def named_by(
    http: httpx.AsyncClient, bearer: dict, server: Server, tenant: Tenant, workload: Workload, name: str
) -> str:
    """Which service principal a token for `name` is for."""
    fields = tokens.form(workload.app_id, client_secret=workload.secret, scope=f"{name}/.default")
    answer = await tokens.post(http, server, tenant, fields)
    record = await http.get(f"/beta/auditLogs/signIns/{answer.headers['x-ms-request-id']}", headers=bearer)
    return record.json()["resourceServicePrincipalId"]


async def test_a_name_belongs_to_one_application(
    http: httpx.AsyncClient, bearer: dict, workload: Workload
):
    name = f"api://{graphs.unique('taken')}"
    url = f"/v1.0/applications/{workload.object_id}"
    assert (await http.patch(url, json={"identifierUris": [name]}, headers=bearer)).status_code == 204
    other = {"displayName": "other", "identifierUris": [name]}
    assert_refused_like_graph(await http.post("/v1.0/applications", json=other, headers=bearer), 400, 409)


async def test_a_name_that_went_to_another_does_not_come_back(http: httpx.AsyncClient, bearer: dict):
    """A deleted application leaves its names; restored, it must not take them from who has them since."""
    name = f"api://{graphs.unique('moved')}"
    body = {"displayName": "moved", "identifierUris": [name]}
    first = (await http.post("/v1.0/applications", json=body, headers=bearer)).json()
    await http.delete(f"/v1.0/applications/{first['id']}", headers=bearer)
    second = await http.post("/v1.0/applications", json=body, headers=bearer)
    assert second.status_code == 201, second.text
    restore = f"/v1.0/directory/deletedItems/{first['id']}/restore"
    assert_refused_like_graph(await http.post(restore, headers=bearer), 400, 409)
    change = {"identifierUris": []}
    await http.patch(f"/v1.0/applications/{second.json()['id']}", json=change, headers=bearer)
    assert (await http.post(restore, headers=bearer)).status_code == 200


@pytest.mark.parametrize("what", ["app id", "URI of the app id", "identifier URI", "its letters", "Graph"])
async def test_no_service_principal_takes_the_name_of_another(
    http: httpx.AsyncClient, bearer: dict, graph: GraphServiceClient, server: Server, contoso: Tenant,
    workload: Workload, what: str,
):
    uri = f"api://{graphs.unique('victim')}"
    await http.patch(f"/v1.0/applications/{workload.object_id}", json={"identifierUris": [uri]}, headers=bearer)
    name = {
        "app id": workload.app_id, "URI of the app id": f"api://{workload.app_id}", "identifier URI": uri,
        "its letters": uri.upper() + "/", "Graph": "https://graph.microsoft.com",
    }[what]
    thief = await graphs.new_workload(graph, "thief")
    url = f"/v1.0/servicePrincipals/{thief.service_principal_id}"
    answer = await http.patch(url, json={"servicePrincipalNames": [thief.app_id, name]}, headers=bearer)
    seen = await named_by(http, bearer, server, contoso, thief, name)
    # Nothing of it stays for the other tests.
    await http.patch(url, json={"servicePrincipalNames": [thief.app_id]}, headers=bearer)
    assert seen != thief.service_principal_id
    assert_refused_like_graph(answer, 400, 409)


# Headers and hosts.


@pytest.mark.parametrize("host", [
    "evil.example", "localhost:99999", "localhost:80@evil.example", "localhost:+80", "[localhost]", "", "a" * 5000,
])
async def test_a_host_that_is_not_ours_is_nowhere_in_the_answer(
    http: httpx.AsyncClient, server: Server, bearer: dict, contoso: Tenant, host: str
):
    discovery = f"{contoso.id}/v2.0/.well-known/openid-configuration"
    for path in ["v1.0/applications?$top=1", "v1.0/openapi.json", discovery]:
        answer = await http.get(f"/{path}", headers=bearer | {"Host": host})
        assert answer.status_code == 200
        assert server.authority in answer.text
        assert "evil" not in answer.text and "99999" not in answer.text
        assert "+80" not in answer.text and "[localhost]" not in answer.text


async def test_an_address_that_anybody_may_claim_is_not_believed(
    http: httpx.AsyncClient, server: Server, bearer: dict, contoso: Tenant, workload: Workload
):
    headers = {"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=203.0.113.9", "X-Real-IP": "203.0.113.9"}
    fields = tokens.form(workload.app_id, client_secret=workload.secret)
    answer = await tokens.post(http, server, contoso, fields, headers=headers)
    record = await http.get(f"/beta/auditLogs/signIns/{answer.headers['x-ms-request-id']}", headers=bearer)
    assert record.json()["ipAddress"] == "127.0.0.1"


@pytest.mark.parametrize("bytes_", [b"\xff\xfe", "é".encode(), b"<b>", b'"}', b"", b"a\tb"])
async def test_a_client_request_id_of_odd_bytes(http: httpx.AsyncClient, bearer: dict, bytes_: bytes):
    headers = {**{name.encode(): value.encode() for name, value in bearer.items()}, b"client-request-id": bytes_}
    answer = await http.get(f"/v1.0/applications/{uuid.uuid4()}", headers=headers)
    assert_refused_like_graph(answer, 404)
    json.dumps(answer.json())


@pytest.mark.parametrize("id", ["a" * 257, "a b", "ü", "a\tb"])
async def test_a_client_request_id_that_is_not_repeated(http: httpx.AsyncClient, bearer: dict, workload: Workload, id: str):
    headers = bearer | {"client-request-id": id.encode()}
    url = f"/v1.0/applications/{workload.object_id}"
    answer = await http.patch(url, json={"notes": "a"}, headers=headers)
    assert answer.status_code == 204 and answer.headers["client-request-id"] == answer.headers["request-id"]
    found = await http.get(
        "/v1.0/auditLogs/directoryAudits", headers=bearer,
        params={"$filter": f"targetResources/any(t: t/id eq '{workload.object_id}')"},
    )
    assert answer.headers["request-id"] in {record["correlationId"] for record in found.json()["value"]}


def test_two_requests_cannot_be_made_of_one(server: Server, contoso: Tenant):
    """Lengths that contradict each other: whoever stands before the server might see another end of the request."""
    for lengths in ["Content-Length: 2\r\nContent-Length: 20\r\n", "Content-Length: -1\r\n", "Content-Length: 1e3\r\n"]:
        head = f"POST /{contoso.id}/oauth2/v2.0/token HTTP/1.1\r\nHost: localhost\r\n{lengths}\r\n"
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as plain:
            with ssl.create_default_context(cafile=server.ca).wrap_socket(plain, server_hostname="localhost") as secure:
                secure.sendall(head.encode())
                assert secure.recv(4096).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("path", [
    "applications/%00", "applications/%ff", "applications/a%2Fb", "applications/..%2f..", "applications('",
    "applications(appId=)", "applications(a='b',c='d')", "applications/" + "a" * 60_000,
])  # fmt: skip
async def test_a_path_that_leads_nowhere(http: httpx.AsyncClient, server: Server, bearer: dict, path: str):
    request = http.build_request("GET", "/", headers=bearer)
    request.url = httpx.URL(server.authority).copy_with(raw_path=f"/v1.0/{path}".encode())
    assert_refused_like_graph(await http.send(request), 400, 404)


@pytest.mark.parametrize("query", [
    "$filter=" + "(" * 5000 + "id eq 'a'" + ")" * 5000,
    "$filter=" + " or ".join(["id eq 'a'"] * 500),
    "$filter=createdDateTime gt 9999-99-99T00:00:00Z",
    "$filter=displayName eq 'a&$top=1",
    "$filter=id eq 'a'&$filter=id eq 'b'",
    "$top=99999999999999999999", "$top=-1", "$skip=-1", "$count=perhaps", "$skiptoken=%00", "$orderby=nothing",
    "$expand=owners($expand=owners($expand=owners))", "$apply=aggregate(x)",
])  # fmt: skip
async def test_a_query_that_asks_for_nothing(http: httpx.AsyncClient, bearer: dict, query: str):
    assert_refused_like_graph(await http.get(f"/v1.0/applications?{query}", headers=bearer), 400)
