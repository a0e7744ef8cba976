"""APIs that do not check tokens themselves: `/access/check` behind a real nginx, whose configuration is in support/gateway.py."""

import asyncio
import re
import ssl
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest
from azure.core import AsyncPipelineClient
from azure.core.exceptions import ClientAuthenticationError
from azure.core.pipeline.policies import AsyncBearerTokenCredentialPolicy
from azure.core.rest import HttpRequest
from msgraph.generated.models.api_application import ApiApplication
from msgraph.generated.models.app_role import AppRole
from msgraph.generated.models.app_role_assignment import AppRoleAssignment
from msgraph.generated.models.application import Application
from msgraph.generated.models.optional_claim import OptionalClaim
from msgraph.generated.models.optional_claims import OptionalClaims
from msgraph.generated.models.service_principal import ServicePrincipal

from support import graph as graphs
from support.access import ELSEWHERE, LOCATIONS, OFFICE, Setting, from_address, ip_location, opened, own_setting
from support.challenge import assert_plain_refusal, challenge
from support.gateway import Gateway
from support.graph import GRAPH_APP_ID, Workload
from support.server import Tenant
from support.tokens import claims

READ, WRITE = "Orders.Read", "Orders.Write"


@dataclass(frozen=True)
class Orders:
    """An API of our own, as its owner registers it."""

    app_id: str
    uri: str
    service_principal_id: str
    roles: dict[str, uuid.UUID]

    @property
    def scope(self) -> str:
        return f"{self.uri}/.default"


async def register(setting: Setting, version: int = 2, uri: str | None = None) -> Orders:
    ids = {READ: uuid.uuid4(), WRITE: uuid.uuid4()}
    roles = [
        AppRole(
            id=id, allowed_member_types=["Application"], display_name=name, description=name, value=name,
            is_enabled=True,
        )
        for name, id in ids.items()
    ]
    application = await graphs.new_application(
        setting.graph, "orders", sign_in_audience="AzureADMyOrg", app_roles=roles,
        api=ApiApplication(requested_access_token_version=version),
        # So that the gateway can challenge: see the reference on continuous access evaluation, §2.
        optional_claims=OptionalClaims(
            access_token=[OptionalClaim(name="xms_cc", additional_properties=[], essential=False)]
        ),
    )
    uri = uri or f"api://{application.app_id}"
    await setting.graph.applications.by_application_id(application.id).patch(Application(identifier_uris=[uri]))
    principal = await graphs.new_service_principal(setting.graph, application)
    return Orders(application.app_id, uri, principal.id, ids)


async def assign(setting: Setting, orders: Orders, workload: Workload, *roles: str) -> None:
    item = setting.graph.service_principals.by_service_principal_id(workload.service_principal_id)
    for role in roles:
        await item.app_role_assignments.post(
            AppRoleAssignment(
                principal_id=uuid.UUID(workload.service_principal_id),
                resource_id=uuid.UUID(orders.service_principal_id), app_role_id=orders.roles[role],
            )
        )


@dataclass
class Shop:
    setting: Setting
    orders: Orders
    gateway: Gateway
    http: httpx.AsyncClient

    async def client(self, *roles: str) -> Workload:
        workload = await self.setting.workload("client")
        await assign(self.setting, self.orders, workload, *(roles or [READ]))
        return workload

    async def token(self, workload: Workload, **more) -> str:
        return await self.setting.token(workload, scope=self.orders.scope, **more)

    async def call(
        self, token: str | None, method: str = "GET", path: str = "/orders/7", address: str = OFFICE, **more
    ) -> httpx.Response:
        """A request through nginx, from a machine behind another proxy."""
        headers = from_address(address) | more.pop("headers", {})
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        return await self.http.request(method, self.gateway.url + path, headers=headers, **more)

    @property
    def question(self) -> list[tuple[str, str]]:
        return [("tenant", self.setting.tenant.id), ("audience", self.orders.app_id), ("role", READ), ("role", WRITE)]

    async def check(
        self, token: str | None, question: list[tuple[str, str]] | None = None, method: str = "GET",
        path: str = "/access/check",
    ) -> httpx.Response:
        """Asks the server without nginx."""
        headers = from_address(OFFICE) | ({"Authorization": f"Bearer {token}"} if token is not None else {})
        return await self.setting.nobody.request(method, path, params=question or self.question, headers=headers)

    async def behind(
        self, token: str | None, behind: str, question: list[tuple[str, str]] | None = None, method: str = "GET"
    ) -> httpx.Response:
        """Asks as Envoy does: behind the prefix stands what its caller wrote, as it was written."""
        target = f"/access/check/{urlencode(question or self.question)}{behind}"
        headers = from_address(OFFICE) | ({"Authorization": f"Bearer {token}"} if token is not None else {})
        # Given apart, since the client would take dots out of a path.
        extensions = {"target": target.encode()}
        return await self.setting.nobody.request(method, "/access/check", headers=headers, extensions=extensions)

    def azure(self, credential) -> AsyncPipelineClient:
        """A client as Azure's SDK makes them."""
        return AsyncPipelineClient(
            self.gateway.url, connection_verify=str(self.setting.server.issuers_ca),
            policies=[AsyncBearerTokenCredentialPolicy(credential, self.orders.scope, enable_cae=True)],
        )


@pytest.fixture(scope="module")
async def shop(database: str, tmp_path_factory) -> AsyncIterator[Shop]:
    async with own_setting(database) as setting:
        orders = await register(setting)
        question = [("tenant", setting.tenant.id), ("audience", orders.app_id), ("role", READ), ("role", WRITE)]
        gateway = Gateway(setting.server, tmp_path_factory.mktemp("gateway"), question)
        try:
            async with httpx.AsyncClient(
                verify=ssl.create_default_context(cafile=setting.server.issuers_ca), timeout=30, trust_env=False
            ) as http:
                yield Shop(setting, orders, gateway, http)
        finally:
            gateway.close()


# Through nginx.


async def test_the_api_is_told_who_calls(shop: Shop):
    workload = await shop.client(READ, WRITE)
    response = await shop.call(await shop.token(workload), "POST", "/orders?draft=1", content=b"three apples")
    assert response.status_code == 200, response.text
    seen = response.json()
    assert (seen["path"], seen["body"]) == ("/orders?draft=1", "three apples")
    headers = seen["headers"]
    assert headers["x-countersign-tenant"] == shop.setting.tenant.id
    assert headers["x-countersign-client"] == workload.app_id
    assert headers["x-countersign-principal"] == workload.service_principal_id
    assert sorted(headers["x-countersign-roles"].split(" ")) == [READ, WRITE]
    assert "authorization" not in headers


async def test_nobody_says_for_himself_who_he_is(shop: Shop):
    workload = await shop.client()
    lies = {
        "X-Countersign-Principal": str(uuid.uuid4()), "X-Countersign-Roles": WRITE, "X-Countersign-Tenant": "theirs",
    }
    headers = (await shop.call(await shop.token(workload), headers=lies)).json()["headers"]
    assert headers["x-countersign-principal"] == workload.service_principal_id
    assert headers["x-countersign-roles"] == READ
    assert headers["x-countersign-tenant"] == shop.setting.tenant.id


async def test_nobody_gets_through_without_a_token(shop: Shop):
    before = len(shop.gateway.api.requests)
    for token in [None, "nonsense", "a.b.c"]:
        assert_plain_refusal(await shop.call(token))
    assert len(shop.gateway.api.requests) == before, "the API saw nothing"


async def test_a_token_for_something_else(shop: Shop):
    workload = await shop.client()
    assert_plain_refusal(await shop.call(await shop.setting.token(workload)))
    other = await register(shop.setting)
    assert_plain_refusal(await shop.call(await shop.setting.token(workload, scope=other.scope)))


async def test_a_token_that_was_tampered_with(shop: Shop):
    head, body, signature = (await shop.token(await shop.client())).split(".")
    assert_plain_refusal(await shop.call(f"{head}.{body}.{signature[::-1]}"))


async def test_a_client_without_a_role(shop: Shop):
    workload = await shop.setting.workload("client")
    before = len(shop.gateway.api.requests)
    response = await shop.call(await shop.token(workload))
    assert response.status_code == 403
    assert "www-authenticate" not in response.headers
    assert len(shop.gateway.api.requests) == before


async def test_the_challenge_passes_through(shop: Shop):
    """Every parameter of it, for this resource."""
    workload = await shop.client()
    token = await shop.token(workload)
    assert (await shop.call(token)).status_code == 200
    before = len(shop.gateway.api.requests)
    await graphs.confirm(shop.setting.graph, workload.service_principal_id)
    found = challenge(await shop.call(token), shop.orders.app_id)
    assert found.description.endswith("TokenIssuedBeforeRevocationTimestamp")
    assert found.not_before
    assert len(shop.gateway.api.requests) == before
    assert (await shop.call(await shop.token(workload))).status_code == 200


async def test_a_client_on_azure_core_answers_it(shop: Shop):
    """As published, and without a word of ours: challenge, new token, the same request once more."""
    workload = await shop.client()
    async with graphs.credential(
        shop.setting.server, shop.setting.tenant, workload.app_id, workload.secret, base_headers=from_address(OFFICE)
    ) as credential, shop.azure(credential) as client:

        async def get() -> int:
            request = HttpRequest("GET", f"{shop.gateway.url}/orders", headers=from_address(OFFICE))
            return (await client.send_request(request)).status_code

        assert await get() == 200
        await graphs.confirm(shop.setting.graph, workload.service_principal_id)
        assert await get() == 200
        await shop.setting.block(workload.service_principal_id, risk=["high"])
        with pytest.raises(ClientAuthenticationError, match="AADSTS53003"):
            await get()
        await graphs.dismiss(shop.setting.graph, workload.service_principal_id)
        assert await get() == 200


async def test_who_was_disabled(shop: Shop):
    workload = await shop.client()
    capable, plain = await shop.token(workload), await shop.token(workload, capable=False)
    item = shop.setting.graph.service_principals.by_service_principal_id(workload.service_principal_id)
    await item.patch(ServicePrincipal(account_enabled=False))
    challenge(await shop.call(capable), shop.orders.app_id)
    assert_plain_refusal(await shop.call(plain))


async def test_a_resource_that_was_disabled(shop: Shop):
    """Nobody gets through to an API whose own service principal was switched off."""
    orders = await register(shop.setting)
    workload = await shop.setting.workload("client")
    await assign(shop.setting, orders, workload, READ)
    token = await shop.setting.token(workload, scope=orders.scope)
    question = [("tenant", shop.setting.tenant.id), ("audience", orders.app_id)]
    assert (await shop.check(token, question)).is_success
    item = shop.setting.graph.service_principals.by_service_principal_id(orders.service_principal_id)
    await item.patch(ServicePrincipal(account_enabled=False))
    assert (await shop.check(token, question)).status_code == 401


async def test_a_token_that_travels(shop: Shop):
    """The address is that of the client and not nginx's."""
    workload = await shop.client()
    office = await shop.setting.create(ip_location("198.51.100.0/24"), LOCATIONS)
    await shop.setting.block(
        workload.service_principal_id, resources=[shop.orders.app_id], locations=["All"],
        exclude_locations=[office["id"]],
    )
    token = await shop.token(workload)
    assert (await shop.call(token, address=OFFICE)).status_code == 200
    found = challenge(await shop.call(token, address=ELSEWHERE), shop.orders.app_id)
    assert found.claims["access_token"]["xms_rp_ipaddr"] == {"value": ELSEWHERE}


async def test_a_policy_about_another_resource(shop: Shop):
    workload = await shop.client()
    token = await shop.token(workload)
    await shop.setting.block(workload.service_principal_id, resources=[GRAPH_APP_ID])
    response = await shop.call(token)
    # Whether the change is looked into or the token is renewed once: it goes on.
    if response.status_code == 401:
        challenge(response, shop.orders.app_id)
        response = await shop.call(await shop.token(workload))
    assert response.status_code == 200


async def test_closed_when_the_server_is_away(database: str, tmp_path: Path):
    async with own_setting(database) as setting:
        orders = await register(setting)
        workload = await setting.workload("client")
        await assign(setting, orders, workload, READ)
        token = await setting.token(workload, scope=orders.scope)
        gateway = Gateway(setting.server, tmp_path, [("tenant", setting.tenant.id), ("audience", orders.app_id)])
        try:
            async with httpx.AsyncClient(
                verify=ssl.create_default_context(cafile=setting.server.issuers_ca), trust_env=False
            ) as http:
                headers = {"Authorization": f"Bearer {token}"} | from_address(OFFICE)
                assert (await http.get(gateway.url, headers=headers)).status_code == 200
                before = len(gateway.api.requests)
                setting.server.stop()
                assert (await http.get(gateway.url, headers=headers)).status_code >= 500
                assert len(gateway.api.requests) == before
                setting.server.start()
                assert (await http.get(gateway.url, headers=headers)).status_code == 200
        finally:
            gateway.close()


async def test_many_requests_at_once(shop: Shop):
    """Two clients, side by side: none is taken for the other."""
    first, second = await shop.client(), await shop.client()
    tokens = {one.service_principal_id: await shop.token(one) for one in [first, second]}

    async def call(id: str) -> bool:
        response = await shop.call(tokens[id])
        return response.json()["headers"]["x-countersign-principal"] == id

    assert all(await asyncio.gather(*(call(id) for id in list(tokens) * 40)))


# The endpoint itself.


async def test_the_answer(shop: Shop):
    workload = await shop.client()
    response = await shop.check(await shop.token(workload))
    assert response.status_code == 200
    assert response.content == b""
    assert "no-store" in response.headers["cache-control"]
    assert response.headers["x-countersign-principal"] == workload.service_principal_id


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
async def test_any_method_and_what_envoy_puts_behind_its_prefix(shop: Shop, method: str):
    """Envoy asks with the method of the request, and puts its path and its query behind the prefix."""
    token = await shop.token(await shop.client())
    for behind in ["", "/", "/orders/7", "//orders/7?draft=1", "/?tenant", "/orders?role=&roll=1&audience=x"]:
        response = await shop.behind(token, behind, method=method)
        assert response.status_code == 200, behind
        assert_plain_refusal(await shop.behind(None, behind, method=method))


async def test_whoever_calls_envoy_does_not_choose_the_question(shop: Shop):
    """A tenant of his own, where he gives himself the role, is not what the proxy protects."""
    fabrikam: Tenant = shop.setting.server.fabrikam
    async with opened(shop.setting.server, fabrikam) as there:
        theirs = await register(there)
        intruder = await there.workload("intruder")
        await assign(there, theirs, intruder, READ, WRITE)
        token = await there.token(intruder, scope=theirs.scope)
    own = [("tenant", fabrikam.id), ("audience", theirs.app_id)]
    assert (await shop.check(token, own)).status_code == 200, "it is good there"
    query = urlencode(own)
    for behind in [f"/orders?{query}", f"?{query}", f"/{query}/", f"//../{query}/?{query}", f"/%2E%2E/{query}/"]:
        assert_plain_refusal(await shop.behind(token, behind))
    good = await shop.token(await shop.client())
    assert (await shop.behind(good, f"/orders?{query}")).headers["x-countersign-tenant"] == shop.setting.tenant.id


async def test_a_prefix_that_asks_nothing_opens_nothing(shop: Shop):
    """As it was once described: the question would be the query of whoever calls."""
    token = await shop.token(await shop.client())
    for path in ["/access/check/orders/7", "/access/check//orders/7", "/access/check/?"]:
        response = await shop.check(token, path=path)
        assert response.status_code in (400, 404), path


async def test_the_question_in_a_path_names_an_audience_by_its_uri(shop: Shop):
    token = await shop.token(await shop.client())
    question = [("tenant", shop.setting.tenant.id), ("audience", shop.orders.uri)]
    assert (await shop.behind(token, "/orders/7", question)).status_code == 200
    response = await shop.behind(token, "/orders/7", [*question, ("role", "Orders.Burn")])
    assert response.status_code == 403


async def test_the_audience_in_its_forms(shop: Shop):
    """Tokens of version 1 carry the URI, those of version 2 the appId; the gateway may name either."""
    for version in [1, 2]:
        orders = await register(shop.setting, version)
        workload = await shop.setting.workload("client")
        token = await shop.setting.token(workload, scope=orders.scope)
        assert claims(token)["ver"] == f"{version}.0"
        for audience in [orders.app_id, orders.uri]:
            question = [("tenant", shop.setting.tenant.id), ("audience", audience)]
            assert (await shop.check(token, question)).status_code == 200, (version, audience)


async def test_several_audiences(shop: Shop):
    other = await register(shop.setting)
    workload = await shop.setting.workload("client")
    question = [("tenant", shop.setting.tenant.id), ("audience", shop.orders.app_id), ("audience", other.app_id)]
    for orders in [shop.orders, other]:
        token = await shop.setting.token(workload, scope=orders.scope)
        assert (await shop.check(token, question)).status_code == 200


@pytest.mark.parametrize(
    "question", [[], ["tenant"], ["audience"], ["tenant", "audience", "roll"]],
    ids=lambda names: "+".join(names) or "none",
)
async def test_a_question_that_forgets_something(shop: Shop, question: list[str]):
    """400, which nginx makes 500 of: a gateway that does not say what it protects lets nobody through."""
    values = {"tenant": shop.setting.tenant.id, "audience": shop.orders.app_id, "roll": READ}
    token = await shop.token(await shop.client())
    response = await shop.setting.nobody.get(
        "/access/check", params=[(name, values[name]) for name in question],
        headers={"Authorization": f"Bearer {token}"},
    )
    assert response.status_code == 400


async def test_another_tenants_api_of_the_same_name(shop: Shop):
    """Tokens of version 1 carry the URI, and another tenant may have one of that name."""
    uri = f"api://{uuid.uuid4()}"
    ours = await register(shop.setting, 1, uri)
    fabrikam: Tenant = shop.setting.server.fabrikam
    async with opened(shop.setting.server, fabrikam) as there:
        theirs = await register(there, 1, uri)
        intruder = await there.workload("intruder")
        await assign(there, theirs, intruder, READ, WRITE)
        token = await there.token(intruder, scope=theirs.scope)
    assert claims(token)["aud"] == uri
    for audience in [uri, ours.app_id]:
        question = [("tenant", shop.setting.tenant.id), ("audience", audience)]
        assert_plain_refusal(await shop.check(token, question))


async def test_the_page_replaces_every_header_that_tells_who_calls(database: str):
    """Whoever copies the configuration from the page lets no client say for itself who it is, by none of the names."""
    async with own_setting(database) as setting:
        orders = await register(setting)
        workload = await setting.workload("client")
        await assign(setting, orders, workload, READ)
        token = await setting.token(workload, scope=orders.scope)
        response = await setting.nobody.get(
            "/access/check", params={"tenant": setting.tenant.id, "audience": orders.app_id},
            headers={"Authorization": f"Bearer {token}"},
        )
    names = {name for name in response.headers if name.startswith("x-countersign-")}
    assert len(names) == 4
    page = Path(__file__).parents[3] / "docs" / "how-to" / "protect-an-api.md"
    replaced = re.findall(r"proxy_set_header (X-Countersign-[A-Za-z]+) ", page.read_text())
    assert {name.lower() for name in replaced} == names
