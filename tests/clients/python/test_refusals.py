"""Refusals of the token endpoint: their number, their text, and what each library makes of them."""

import asyncio
import datetime
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import httpx
import msal
import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ClientAssertionCredential, ClientSecretCredential
from azure.identity.aio import ClientAssertionCredential as AsyncClientAssertionCredential
from azure.identity.aio import ClientSecretCredential as AsyncClientSecretCredential
from msgraph import GraphServiceClient
from msgraph.generated.applications.item.remove_password.remove_password_post_request_body import (
    RemovePasswordPostRequestBody,
)
from msgraph.generated.models.service_principal import ServicePrincipal

from support import graph as graphs
from support.graph import Workload
from support.keys import ASSERTION_TYPE, Key
from support.refusals import assert_complete, assert_refused
from support.server import GRAPH_SCOPE, Server, Tenant
from support.tokens import form, post


@dataclass(frozen=True)
class Attempt:
    """Something that a library would send, and the numbers that it is refused with."""

    codes: tuple[int, ...]
    client_id: str
    secret: str = ""
    assertion: str = ""
    scopes: list[str] = field(default_factory=lambda: [GRAPH_SCOPE])


Make = Callable[[GraphServiceClient, Server, Tenant], Awaitable[Attempt]]


async def wrong_secret(graph: GraphServiceClient, server: Server, tenant: Tenant) -> Attempt:
    workload = await graphs.new_workload(graph)
    return Attempt((7000215,), workload.app_id, workload.secret[::-1])


async def id_of_the_secret(graph: GraphServiceClient, server: Server, tenant: Tenant) -> Attempt:
    workload = await graphs.new_workload(graph)
    return Attempt((7000215,), workload.app_id, workload.secret_id)


async def expired_secret(graph: GraphServiceClient, server: Server, tenant: Tenant) -> Attempt:
    application = await graphs.new_application(graph)
    await graphs.new_service_principal(graph, application)
    end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=2)
    secret = await graphs.new_secret(graph, application.id, end_date_time=end)
    await asyncio.sleep(2.5)
    return Attempt((7000222,), application.app_id, secret.secret_text)


async def removed_secret(graph: GraphServiceClient, server: Server, tenant: Tenant) -> Attempt:
    workload = await graphs.new_workload(graph)
    await graph.applications.by_application_id(workload.object_id).remove_password.post(
        RemovePasswordPostRequestBody(key_id=uuid.UUID(workload.secret_id))
    )
    return Attempt((7000215,), workload.app_id, workload.secret)


async def unknown_application(graph: GraphServiceClient, server: Server, tenant: Tenant) -> Attempt:
    return Attempt((700016,), str(uuid.uuid4()), "anything")


async def application_of_another_tenant(graph: GraphServiceClient, server: Server, tenant: Tenant) -> Attempt:
    admin = server.fabrikam.admin
    return Attempt((700016,), admin.client_id, admin.secret)


async def disabled_service_principal(graph: GraphServiceClient, server: Server, tenant: Tenant) -> Attempt:
    workload = await graphs.new_workload(graph)
    await graph.service_principals.by_service_principal_id(workload.service_principal_id).patch(
        ServicePrincipal(account_enabled=False)
    )
    return Attempt((7000112,), workload.app_id, workload.secret)


async def no_service_principal(graph: GraphServiceClient, server: Server, tenant: Tenant) -> Attempt:
    application = await graphs.new_application(graph)
    secret = await graphs.new_secret(graph, application.id)
    return Attempt((7000229,), application.app_id, secret.secret_text)


async def unknown_certificate(graph: GraphServiceClient, server: Server, tenant: Tenant) -> Attempt:
    workload = await graphs.new_workload(graph)
    assertion = Key().assertion(workload.app_id, server.token_endpoint(tenant))
    return Attempt((700027,), workload.app_id, assertion=assertion)


async def known_certificate_and_wrong_key(graph: GraphServiceClient, server: Server, tenant: Tenant) -> Attempt:
    workload, known, other = await graphs.new_workload(graph), Key(), Key()
    await graphs.set_certificates(graph, workload.object_id, known)
    # The header names the known certificate; the other key signs.
    other.certificate, other.__dict__["der"] = known.certificate, known.der
    assertion = other.assertion(workload.app_id, server.token_endpoint(tenant))
    return Attempt((700027,), workload.app_id, assertion=assertion)


async def assertion_of_the_past(graph: GraphServiceClient, server: Server, tenant: Tenant) -> Attempt:
    workload, key = await graphs.new_workload(graph), Key()
    await graphs.set_certificates(graph, workload.object_id, key)
    then = int(time.time()) - 7200
    assertion = key.assertion(workload.app_id, server.token_endpoint(tenant), nbf=then, iat=then, exp=then + 600)
    return Attempt((700024,), workload.app_id, assertion=assertion)


async def assertion_of_the_future(graph: GraphServiceClient, server: Server, tenant: Tenant) -> Attempt:
    workload, key = await graphs.new_workload(graph), Key()
    await graphs.set_certificates(graph, workload.object_id, key)
    then = int(time.time()) + 7200
    assertion = key.assertion(workload.app_id, server.token_endpoint(tenant), nbf=then, iat=then, exp=then + 600)
    return Attempt((700024,), workload.app_id, assertion=assertion)


async def assertion_that_is_no_token(graph: GraphServiceClient, server: Server, tenant: Tenant) -> Attempt:
    workload = await graphs.new_workload(graph)
    return Attempt((50027,), workload.app_id, assertion="not.a.token")


async def scope_without_default(graph: GraphServiceClient, server: Server, tenant: Tenant) -> Attempt:
    workload = await graphs.new_workload(graph)
    return Attempt(
        (1002012, 70011), workload.app_id, workload.secret, scopes=["https://graph.microsoft.com/User.Read"]
    )


async def scopes_of_two_resources(graph: GraphServiceClient, server: Server, tenant: Tenant) -> Attempt:
    workload = await graphs.new_workload(graph)
    scopes = [GRAPH_SCOPE, f"{tenant.admin.client_id}/.default"]
    return Attempt((700022, 28002), workload.app_id, workload.secret, scopes=scopes)


async def unknown_resource(graph: GraphServiceClient, server: Server, tenant: Tenant) -> Attempt:
    workload = await graphs.new_workload(graph)
    return Attempt((500011,), workload.app_id, workload.secret, scopes=[f"api://{uuid.uuid4()}/.default"])


ATTEMPTS: list[Make] = [
    wrong_secret, id_of_the_secret, expired_secret, removed_secret, unknown_application,
    application_of_another_tenant, disabled_service_principal, no_service_principal, unknown_certificate,
    known_certificate_and_wrong_key, assertion_of_the_past, assertion_of_the_future, assertion_that_is_no_token,
    scope_without_default, scopes_of_two_resources, unknown_resource,
]


def credentials_of(attempt: Attempt) -> dict[str, str]:
    if attempt.assertion:
        return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": attempt.assertion}
    return {"client_secret": attempt.secret}


@pytest.fixture(scope="module", params=ATTEMPTS, ids=lambda make: make.__name__)
async def attempt(
    request: pytest.FixtureRequest, graph: GraphServiceClient, server: Server, contoso: Tenant
) -> Attempt:
    return await request.param(graph, server, contoso)


async def test_the_answer(http: httpx.AsyncClient, server: Server, contoso: Tenant, attempt: Attempt):
    correlation_id = str(uuid.uuid4())
    fields = form(attempt.client_id, scope=" ".join(attempt.scopes), **credentials_of(attempt))
    response = await post(http, server, contoso, fields, headers={"client-request-id": correlation_id})
    assert_refused(response, *attempt.codes, correlation_id=correlation_id)


def test_msal_hands_on_the_document(server: Server, contoso: Tenant, attempt: Attempt):
    credential = {"client_assertion": attempt.assertion} if attempt.assertion else attempt.secret
    app = msal.ConfidentialClientApplication(
        attempt.client_id, credential, authority=f"{server.authority}/{contoso.id}", instance_discovery=False,
        verify=server.ca,
    )
    result = app.acquire_token_for_client(attempt.scopes)
    assert "access_token" not in result
    assert result["error_codes"][0] in attempt.codes, result
    assert_complete(result, result["error_codes"][0])


def test_azure_identity_raises_with_the_text(server: Server, contoso: Tenant, attempt: Attempt):
    settings = {
        "authority": server.authority, "disable_instance_discovery": True, "connection_verify": server.ca,
    }
    if attempt.assertion:
        credential = ClientAssertionCredential(contoso.id, attempt.client_id, lambda: attempt.assertion, **settings)
    else:
        credential = ClientSecretCredential(contoso.id, attempt.client_id, attempt.secret, **settings)
    with credential, pytest.raises(ClientAuthenticationError) as error:
        credential.get_token(*attempt.scopes)
    assert any(f"AADSTS{code}" in error.value.message for code in attempt.codes), error.value.message
    assert "Correlation ID: " in error.value.message


async def test_azure_identity_aio_raises_with_text_and_status(server: Server, contoso: Tenant, attempt: Attempt):
    settings = {"authority": server.authority, "connection_verify": server.ca}
    if attempt.assertion:
        credential = AsyncClientAssertionCredential(
            contoso.id, attempt.client_id, lambda: attempt.assertion, **settings
        )
    else:
        credential = AsyncClientSecretCredential(contoso.id, attempt.client_id, attempt.secret, **settings)
    async with credential:
        with pytest.raises(ClientAuthenticationError) as error:
            await credential.get_token(*attempt.scopes)
    assert any(f"AADSTS{code}" in error.value.message for code in attempt.codes), error.value.message
    assert error.value.status_code in (400, 401)


# What no library sends.


@pytest.mark.parametrize("name", ["grant_type", "client_id", "scope"])
async def test_a_parameter_is_missing(
    http: httpx.AsyncClient, server: Server, contoso: Tenant, workload: Workload, name: str
):
    fields = form(workload.app_id, client_secret=workload.secret)
    del fields[name]
    document = assert_refused(await post(http, server, contoso, fields), 900144)
    assert f"'{name}'" in document["error_description"]


async def test_no_credential_at_all(http: httpx.AsyncClient, server: Server, contoso: Tenant, workload: Workload):
    assert_refused(await post(http, server, contoso, form(workload.app_id)), 7000216, 7000218)


async def test_an_unknown_grant_type(http: httpx.AsyncClient, server: Server, contoso: Tenant, workload: Workload):
    fields = form(workload.app_id, client_secret=workload.secret) | {"grant_type": "urn:example:magic"}
    assert_refused(await post(http, server, contoso, fields), 70003)


async def test_an_unknown_tenant(http: httpx.AsyncClient, contoso: Tenant, server: Server):
    unknown = str(uuid.uuid4())
    admin = contoso.admin
    fields = form(admin.client_id, client_secret=admin.secret)
    document = assert_refused(await http.post(f"/{unknown}/oauth2/v2.0/token", data=fields), 90002)
    assert unknown in document["error_description"]


async def test_azure_identity_aio_says_that_the_tenant_is_unknown(server: Server, contoso: Tenant):
    async with AsyncClientSecretCredential(
        str(uuid.uuid4()), contoso.admin.client_id, contoso.admin.secret, authority=server.authority,
        connection_verify=server.ca,
    ) as credential:
        with pytest.raises(ClientAuthenticationError, match="AADSTS90002"):
            await credential.get_token(GRAPH_SCOPE)


async def test_a_token_is_posted_for(http: httpx.AsyncClient, server: Server, contoso: Tenant):
    response = await http.get(server.token_endpoint(contoso))
    assert response.status_code in (400, 405)
    document = response.json()
    assert document["error_codes"] == [900561]
    assert_complete(document, 900561)


async def test_the_wrong_secret_as_http_basic(
    http: httpx.AsyncClient, server: Server, contoso: Tenant, workload: Workload
):
    response = await post(http, server, contoso, form(workload.app_id), auth=(workload.app_id, "wrong"))
    assert_refused(response, 7000215)


async def test_the_endpoint_of_version_1_refuses_in_the_same_way(
    http: httpx.AsyncClient, server: Server, contoso: Tenant, workload: Workload
):
    fields = form(workload.app_id, version="v1.0", client_secret="wrong")
    assert_refused(await post(http, server, contoso, fields, version="v1.0"), 7000215)


@pytest.mark.parametrize("place", ["client-request-id", "x-ms-client-request-id", "query", "form"])
async def test_the_correlation_id_is_taken_from_where_libraries_put_it(
    http: httpx.AsyncClient, server: Server, contoso: Tenant, workload: Workload, place: str
):
    given = str(uuid.uuid4())
    fields, more = form(workload.app_id, client_secret="wrong"), {}
    match place:
        case "query":
            more["params"] = {"client-request-id": given}
        case "form":
            fields["client-request-id"] = given
        case name:
            more["headers"] = {name: given}
    assert_refused(await post(http, server, contoso, fields, **more), 7000215, correlation_id=given)


async def test_the_secret_is_never_repeated(
    http: httpx.AsyncClient, server: Server, contoso: Tenant, workload: Workload
):
    response = await post(http, server, contoso, form(workload.app_id, client_secret="a-secret-of-somebody"))
    assert "a-secret-of-somebody" not in response.text
    assert workload.app_id in response.json()["error_description"]
