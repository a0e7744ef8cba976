"""Tokens by secret, with each of Microsoft's libraries for Python and by hand."""

import os
import subprocess
import sys

import httpx
import msal
import pytest
from azure.identity import ClientSecretCredential

from support import graph as graphs
from support.graph import Workload
from support.server import GRAPH_SCOPE, Server, Tenant
from support.tokens import TOKEN_ENDPOINTS, claims, form, post


def confidential(
    server: Server, tenant: Tenant, client_id: str, secret: str, **more: object
) -> msal.ConfidentialClientApplication:
    return msal.ConfidentialClientApplication(
        client_id, secret, authority=f"{server.authority}/{tenant.id}", instance_discovery=False,
        verify=server.ca, **more,
    )


def test_msal(server: Server, contoso: Tenant, workload: Workload):
    result = confidential(server, contoso, workload.app_id, workload.secret).acquire_token_for_client([GRAPH_SCOPE])
    assert result["token_type"] == "Bearer"
    assert 3000 <= result["expires_in"] <= 5400
    assert claims(result["access_token"])["appid"] == workload.app_id


def test_msal_keeps_a_token(server: Server, contoso: Tenant, workload: Workload):
    app = confidential(server, contoso, workload.app_id, workload.secret)
    first = app.acquire_token_for_client([GRAPH_SCOPE])
    second = app.acquire_token_for_client([GRAPH_SCOPE])
    assert second["token_source"] == "cache"
    assert second["access_token"] == first["access_token"]


@pytest.fixture
async def single(graph) -> Workload:
    """A workload of this tenant alone: tokens that can be revoked are for no other."""
    return await graphs.new_workload(graph, sign_in_audience="AzureADMyOrg")


def test_msal_with_capabilities_gets_a_token_for_continuous_evaluation(
    server: Server, contoso: Tenant, single: Workload
):
    app = confidential(server, contoso, single.app_id, single.secret, client_capabilities=["CP1"])
    result = app.acquire_token_for_client([GRAPH_SCOPE])
    assert [value.lower() for value in claims(result["access_token"])["xms_cc"]] == ["cp1"]


def test_azure_identity(server: Server, contoso: Tenant, single: Workload):
    with ClientSecretCredential(
        contoso.id, single.app_id, single.secret, authority=server.authority, disable_instance_discovery=True,
        connection_verify=server.ca,
    ) as credential:
        assert claims(credential.get_token(GRAPH_SCOPE).token)["appid"] == single.app_id
        assert "xms_cc" in claims(credential.get_token(GRAPH_SCOPE, enable_cae=True).token)


async def test_azure_identity_aio(server: Server, contoso: Tenant, single: Workload):
    async with graphs.credential(server, contoso, single.app_id, single.secret) as credential:
        assert claims((await credential.get_token(GRAPH_SCOPE)).token)["appid"] == single.app_id
        assert "xms_cc" in claims((await credential.get_token(GRAPH_SCOPE, enable_cae=True)).token)


async def test_the_tenant_may_be_named_by_its_domain(server: Server, contoso: Tenant, workload: Workload):
    app = msal.ConfidentialClientApplication(
        workload.app_id, workload.secret, authority=f"{server.authority}/{contoso.domain}", instance_discovery=False,
        verify=server.ca,
    )
    assert claims(app.acquire_token_for_client([GRAPH_SCOPE])["access_token"])["tid"] == contoso.id


PROGRAMS = {
    "EnvironmentCredential": """
        from azure.identity import EnvironmentCredential
        print(EnvironmentCredential(disable_instance_discovery=True).get_token(SCOPE).token)""",
    "DefaultAzureCredential": """
        from azure.identity import DefaultAzureCredential
        print(DefaultAzureCredential(disable_instance_discovery=True).get_token(SCOPE).token)""",
    "EnvironmentCredential, asynchronous": """
        import asyncio
        from azure.identity.aio import EnvironmentCredential
        async def main():
            async with EnvironmentCredential() as credential:
                print((await credential.get_token(SCOPE)).token)
        asyncio.run(main())""",
    "DefaultAzureCredential, asynchronous": """
        import asyncio
        from azure.identity.aio import DefaultAzureCredential
        async def main():
            async with DefaultAzureCredential() as credential:
                print((await credential.get_token(SCOPE)).token)
        asyncio.run(main())""",
}


def run_program(text: str, server: Server, tenant: Tenant, workload: Workload) -> str:
    """What a Python program prints that knows nothing of the server but its environment."""
    settings = {
        "AZURE_AUTHORITY_HOST": server.authority, "AZURE_TENANT_ID": tenant.id, "AZURE_CLIENT_ID": workload.app_id,
        "AZURE_CLIENT_SECRET": workload.secret, "REQUESTS_CA_BUNDLE": server.ca, "SSL_CERT_FILE": server.ca,
    }
    done = subprocess.run(
        [sys.executable, "-c", text], env=os.environ | settings, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_that_has_only_its_environment(server: Server, contoso: Tenant, workload: Workload, name: str):
    lines = PROGRAMS[name].splitlines()[1:]
    text = "\n".join([f"SCOPE = {GRAPH_SCOPE!r}", *(line.removeprefix(" " * 8) for line in lines)])
    token = run_program(text, server, contoso, workload)
    assert claims(token)["appid"] == workload.app_id


async def test_a_graph_program_that_has_only_its_environment(
    graph, server: Server, contoso: Tenant, workload: Workload
):
    await graphs.grant(graph, workload, "Application.Read.All")
    text = f"""
import asyncio
from azure.identity.aio import DefaultAzureCredential
from msgraph import GraphServiceClient

async def main():
    async with DefaultAzureCredential() as credential:
        graph = GraphServiceClient(credential, scopes=[{GRAPH_SCOPE!r}])
        graph.request_adapter.base_url = {(server.authority + "/v1.0")!r}
        print((await graph.service_principals_with_app_id({workload.app_id!r}).get()).id)

asyncio.run(main())
"""
    assert run_program(text, server, contoso, workload) == workload.service_principal_id


async def test_the_secret_may_come_as_http_basic(
    http: httpx.AsyncClient, server: Server, contoso: Tenant, workload: Workload
):
    fields = form(workload.app_id)
    del fields["client_id"]
    response = await post(http, server, contoso, fields, auth=(workload.app_id, workload.secret))
    assert response.status_code == 200, response.text


@pytest.mark.parametrize("version", TOKEN_ENDPOINTS)
async def test_an_answer_is_not_kept_by_anybody(
    http: httpx.AsyncClient, server: Server, contoso: Tenant, workload: Workload, version: str
):
    fields = form(workload.app_id, version=version, client_secret=workload.secret)
    response = await post(http, server, contoso, fields, version=version)
    assert response.status_code == 200, response.text
    assert "no-store" in response.headers["cache-control"]


async def test_the_answer_of_v2_holds_numbers(
    http: httpx.AsyncClient, server: Server, contoso: Tenant, workload: Workload
):
    document = (await post(http, server, contoso, form(workload.app_id, client_secret=workload.secret))).json()
    assert document["token_type"] == "Bearer"
    assert isinstance(document["expires_in"], int) and isinstance(document["ext_expires_in"], int)
    assert "refresh_token" not in document


async def test_the_answer_of_v1_holds_strings(
    http: httpx.AsyncClient, server: Server, contoso: Tenant, workload: Workload
):
    fields = form(workload.app_id, version="v1.0", client_secret=workload.secret)
    response = await post(http, server, contoso, fields, version="v1.0")
    assert response.status_code == 200, response.text
    document = response.json()
    assert all(isinstance(value, str) for value in document.values()), document
    assert {"expires_in", "ext_expires_in", "expires_on", "not_before", "resource"} <= set(document)
    assert claims(document["access_token"])["exp"] == int(document["expires_on"])
    assert claims(document["access_token"])["aud"] == document["resource"] == "https://graph.microsoft.com"


@pytest.mark.parametrize(
    "scope",
    [
        "https://graph.microsoft.com/.default",
        "https://graph.microsoft.com//.default",
        "00000003-0000-0000-c000-000000000000/.default",
        # What the Graph client for Python asks for when it is told no scope.
        "https://localhost/.default",
    ],
)
async def test_graph_has_several_names(
    http: httpx.AsyncClient, server: Server, contoso: Tenant, workload: Workload, scope: str
):
    fields = form(workload.app_id, client_secret=workload.secret, scope=scope)
    response = await post(http, server, contoso, fields)
    assert response.status_code == 200, response.text


async def test_fields_that_mean_nothing_are_passed_over(
    http: httpx.AsyncClient, server: Server, contoso: Tenant, workload: Workload
):
    """Each library sends telemetry in its own way."""
    fields = form(workload.app_id, client_secret=workload.secret) | {
        "client_info": "1", "x-client-SKU": "msal.js.node", "x-client-VER": "16.13.0",
        "claims": '{"access_token":{"xms_cc":{"values":["cp1"]}},"id_token":{"signin_state":{"essential":true}}}',
    }
    response = await post(http, server, contoso, fields, params={"client-request-id": "anything"})
    assert response.status_code == 200, response.text


async def test_scopes_of_openid_are_passed_over(
    http: httpx.AsyncClient, server: Server, contoso: Tenant, workload: Workload
):
    """The libraries for Go add them to every request, also where there is no user."""
    scope = f"{GRAPH_SCOPE} openid offline_access profile"
    response = await post(http, server, contoso, form(workload.app_id, client_secret=workload.secret, scope=scope))
    assert response.status_code == 200, response.text
    assert {"id_token", "refresh_token"}.isdisjoint(response.json())


async def test_two_tokens_are_never_the_same(
    http: httpx.AsyncClient, server: Server, contoso: Tenant, workload: Workload
):
    fields = form(workload.app_id, client_secret=workload.secret)
    tokens = [(await post(http, server, contoso, fields)).json()["access_token"] for _ in range(2)]
    assert claims(tokens[0])["uti"] != claims(tokens[1])["uti"]
