"""Microsoft Graph's client for Python, pointed at the server under test, and what every test does with it."""

import asyncio
import contextlib
import ssl
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx
from azure.identity.aio import ClientSecretCredential
from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
from msgraph import GraphServiceClient
from msgraph.generated.applications.item.add_password.add_password_post_request_body import AddPasswordPostRequestBody
from msgraph.generated.identity_protection.risky_service_principals.confirm_compromised.confirm_compromised_post_request_body import (  # noqa: E501
    ConfirmCompromisedPostRequestBody,
)
from msgraph.generated.identity_protection.risky_service_principals.dismiss.dismiss_post_request_body import (
    DismissPostRequestBody,
)
from msgraph.generated.models.app_role_assignment import AppRoleAssignment
from msgraph.generated.models.application import Application
from msgraph.generated.models.key_credential import KeyCredential
from msgraph.generated.models.password_credential import PasswordCredential
from msgraph.generated.models.service_principal import ServicePrincipal
from msgraph.graph_request_adapter import GraphRequestAdapter, options
from msgraph_core import GraphClientFactory

from support.keys import Key
from support.server import GRAPH_SCOPE, Server, Tenant

GRAPH_APP_ID = "00000003-0000-0000-c000-000000000000"

# Ids of Graph's application permissions.
ROLE_IDS = {
    "IdentityRiskyServicePrincipal.Read.All": "607c7344-0eed-41e5-823a-9695ebe1b7b0",
    "IdentityRiskyServicePrincipal.ReadWrite.All": "cb8d6980-6bcb-4507-afec-ed6de3a2d798",
    "Application.Read.All": "9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30",
    "Application.ReadWrite.OwnedBy": "18a4783c-866b-4cc7-a460-3d5e5662c884",
    "AuditLog.Read.All": "b0afded3-3588-46d8-8b3d-9842eff778da",
}

Found = TypeVar("Found")


@dataclass(frozen=True)
class Workload:
    """An application and its service principal, with the credential that it was made with."""

    name: str
    app_id: str
    object_id: str
    service_principal_id: str
    secret: str
    secret_id: str


def tls(server: Server) -> ssl.SSLContext:
    """Trusts the server's authority and nobody else."""
    return ssl.create_default_context(cafile=server.ca)


def client(server: Server, credential: Any, version: str = "v1.0") -> GraphServiceClient:
    """As a user points it to a server of their own."""
    http = GraphClientFactory.create_with_default_middleware(
        client=httpx.AsyncClient(verify=tls(server), http2=True, timeout=30), options=options
    )
    provider = AzureIdentityAuthenticationProvider(credential, scopes=[GRAPH_SCOPE])
    graph = GraphServiceClient(request_adapter=GraphRequestAdapter(provider, client=http))
    graph.request_adapter.base_url = f"{server.authority}/{version}"
    graph.path_parameters["base_url"] = graph.request_adapter.base_url
    return graph


def credential(server: Server, tenant: Tenant, client_id: str, secret: str, **more: Any) -> ClientSecretCredential:
    """azure-identity's asynchronous credential for a secret."""
    return ClientSecretCredential(
        tenant.id, client_id, secret, authority=server.authority, connection_verify=server.ca, **more
    )


@contextlib.asynccontextmanager
async def signed_in(
    server: Server, tenant: Tenant, client_id: str, secret: str, version: str = "v1.0"
) -> AsyncIterator[GraphServiceClient]:
    """A Graph client of its own for somebody, as long as the block lasts."""
    async with credential(server, tenant, client_id, secret) as identity:
        yield client(server, identity, version)


def query(builder: Any, *, headers: dict[str, str] | None = None, **parameters: Any) -> RequestConfiguration:
    """Query options for `builder.get`: `filter`, `select`, `top`, … Each request builder has a class for them."""
    kind = next(value for name, value in vars(type(builder)).items() if name.endswith("GetQueryParameters"))
    return with_headers(headers or {}, RequestConfiguration(query_parameters=kind(**parameters)))


def with_headers(headers: dict[str, str], configuration: RequestConfiguration | None = None) -> RequestConfiguration:
    configuration = configuration or RequestConfiguration()
    for name, value in headers.items():
        configuration.headers.add(name, value)
    return configuration


EVENTUAL = {"ConsistencyLevel": "eventual"}


async def listed(builder: Any, *, headers: dict[str, str] | None = None, **parameters: Any) -> list:
    """The objects of a collection, of its first page."""
    answer = await builder.get(query(builder, headers=headers, **parameters))
    return answer.value


async def eventually(
    look: Callable[[], Awaitable[Found]], enough: Callable[[Found], bool] = bool, seconds: float = 15
) -> Found:
    """What `look` finds once it is enough; what it found last when time is up, for the test to complain about.

    For logs: they may be a moment behind.
    """
    deadline = time.monotonic() + seconds
    while True:
        found = await look()
        if enough(found) or time.monotonic() > deadline:
            return found
        await asyncio.sleep(0.2)


def unique(name: str) -> str:
    """A name that no other test uses: all tests share a tenant."""
    return f"{name}-{uuid.uuid4().hex[:8]}"


async def new_application(graph: GraphServiceClient, name: str = "app", **properties: Any) -> Application:
    application = await graph.applications.post(Application(display_name=unique(name), **properties))
    assert application is not None
    return application


async def new_service_principal(graph: GraphServiceClient, application: Application) -> ServicePrincipal:
    principal = await graph.service_principals.post(ServicePrincipal(app_id=application.app_id))
    assert principal is not None
    return principal


async def new_secret(graph: GraphServiceClient, object_id: str, **properties: Any) -> PasswordCredential:
    """A new secret of the application `object_id`."""
    body = AddPasswordPostRequestBody(password_credential=PasswordCredential(display_name="test", **properties))
    secret = await graph.applications.by_application_id(object_id).add_password.post(body)
    assert secret is not None and secret.secret_text
    return secret


async def new_workload(graph: GraphServiceClient, name: str = "workload", **properties: Any) -> Workload:
    """An application with service principal and secret, ready to sign in."""
    application = await new_application(graph, name, **properties)
    principal = await new_service_principal(graph, application)
    secret = await new_secret(graph, application.id)
    return Workload(
        application.display_name, application.app_id, application.id, principal.id, secret.secret_text,
        str(secret.key_id),
    )


def key_credential(key: Key, name: str = "test") -> KeyCredential:
    """The certificate of `key` for signing in."""
    return KeyCredential(type="AsymmetricX509Cert", usage="Verify", key=key.der, display_name=name)


async def set_certificates(graph: GraphServiceClient, object_id: str, *keys: Key) -> list[KeyCredential]:
    """Replaces the certificates of the application `object_id`, and returns them as the server has them."""
    item = graph.applications.by_application_id(object_id)
    await item.patch(Application(key_credentials=[key_credential(key) for key in keys]))
    application = await item.get(query(item, select=["id", "keyCredentials"]))
    return application.key_credentials


async def graph_principal(graph: GraphServiceClient) -> ServicePrincipal:
    """The service principal of Microsoft Graph in this tenant."""
    return await graph.service_principals_with_app_id(GRAPH_APP_ID).get()


async def grant(graph: GraphServiceClient, workload: Workload, permission: str) -> AppRoleAssignment:
    """Grants an application permission of Graph."""
    resource = await graph_principal(graph)
    body = AppRoleAssignment(
        principal_id=uuid.UUID(workload.service_principal_id),
        resource_id=uuid.UUID(resource.id),
        app_role_id=uuid.UUID(ROLE_IDS[permission]),
    )
    item = graph.service_principals.by_service_principal_id(workload.service_principal_id)
    assignment = await item.app_role_assignments.post(body)
    assert assignment is not None
    return assignment


async def confirm(graph: GraphServiceClient, *ids: str) -> None:
    """Confirms service principals as compromised."""
    await graph.identity_protection.risky_service_principals.confirm_compromised.post(
        ConfirmCompromisedPostRequestBody(service_principal_ids=list(ids))
    )


async def dismiss(graph: GraphServiceClient, *ids: str) -> None:
    """Takes all risk from service principals."""
    await graph.identity_protection.risky_service_principals.dismiss.post(
        DismissPostRequestBody(service_principal_ids=list(ids))
    )
