"""What stands in a token: Microsoft Graph's are of version 1, a resource chooses for itself."""

import time
import uuid
from dataclasses import dataclass

import httpx
import pytest
from msgraph import GraphServiceClient
from msgraph.generated.models.api_application import ApiApplication
from msgraph.generated.models.app_role import AppRole
from msgraph.generated.models.app_role_assignment import AppRoleAssignment
from msgraph.generated.models.application import Application

from support import graph as graphs
from support.graph import Workload
from support.server import Server, Tenant
from support.tokens import checked_claims, claims, form, header, post, token, uti

NO_ROLE = "0997a1d0-0d1d-4acb-b408-d5ca73121e90"


@pytest.fixture(scope="module")
async def keys(http: httpx.AsyncClient, contoso: Tenant) -> dict:
    return (await http.get(f"/{contoso.id}/discovery/v2.0/keys")).json()


@pytest.fixture(scope="module")
async def client(graph: GraphServiceClient) -> Workload:
    """Who signs in, with one permission of Graph."""
    workload = await graphs.new_workload(graph, "client")
    await graphs.grant(graph, workload, "Application.Read.All")
    return workload


@dataclass(frozen=True)
class Resource:
    app_id: str
    uri: str
    service_principal_id: str
    role_id: uuid.UUID


async def new_resource(graph: GraphServiceClient, version: int) -> Resource:
    """An API of our own with one role, which gets tokens of `version`."""
    role = AppRole(
        id=uuid.uuid4(), allowed_member_types=["Application"], display_name="Run", description="Runs jobs",
        value="Jobs.Run", is_enabled=True,
    )
    application = await graphs.new_application(
        graph, "api", api=ApiApplication(requested_access_token_version=version), app_roles=[role]
    )
    uri = f"api://{application.app_id}"
    await graph.applications.by_application_id(application.id).patch(Application(identifier_uris=[uri]))
    principal = await graphs.new_service_principal(graph, application)
    return Resource(application.app_id, uri, principal.id, role.id)


@pytest.fixture(scope="module")
async def api(graph: GraphServiceClient, client: Workload) -> Resource:
    """A resource of version 2 that gave `client` its role."""
    resource = await new_resource(graph, 2)
    await graph.service_principals.by_service_principal_id(client.service_principal_id).app_role_assignments.post(
        AppRoleAssignment(
            principal_id=uuid.UUID(client.service_principal_id),
            resource_id=uuid.UUID(resource.service_principal_id), app_role_id=resource.role_id,
        )
    )
    return resource


async def test_a_token_of_version_1(
    http: httpx.AsyncClient, server: Server, contoso: Tenant, client: Workload, keys: dict
):
    text = await token(http, server, contoso, client.app_id, client.secret)
    found = checked_claims(text, keys, "https://graph.microsoft.com", f"https://sts.windows.net/{contoso.id}/")
    assert header(text)["alg"] == "RS256" and header(text)["typ"] == "JWT"
    assert header(text)["x5t"] == next(key["x5t"] for key in keys["keys"] if key["kid"] == header(text)["kid"])
    assert found["ver"] == "1.0"
    assert found["appid"] == client.app_id
    assert found["appidacr"] == "1"
    assert found["idp"] == f"https://sts.windows.net/{contoso.id}/"
    assert found["idtyp"] == "app"
    assert found["oid"] == found["sub"] == client.service_principal_id
    assert found["tid"] == contoso.id
    assert found["roles"] == ["Application.Read.All"]
    assert found["app_displayname"] == client.name
    assert NO_ROLE in found["wids"]
    assert "scp" not in found and "azp" not in found
    assert len(found["uti"]) == 22


async def test_a_token_of_version_2(
    http: httpx.AsyncClient, server: Server, contoso: Tenant, client: Workload, api: Resource, keys: dict
):
    text = await token(http, server, contoso, client.app_id, client.secret, f"{api.uri}/.default")
    discovery = (await http.get(f"/{contoso.id}/v2.0/.well-known/openid-configuration")).json()
    found = checked_claims(text, keys, api.app_id, discovery["issuer"])
    assert found["ver"] == "2.0"
    assert found["azp"] == client.app_id
    assert found["azpacr"] == "1"
    assert found["oid"] == found["sub"] == client.service_principal_id
    assert found["tid"] == contoso.id
    assert found["roles"] == ["Jobs.Run"]
    assert "appid" not in found


async def test_the_resource_chooses_the_version_and_not_the_endpoint(
    http: httpx.AsyncClient, server: Server, contoso: Tenant, client: Workload, api: Resource
):
    fields = form(client.app_id, version="v1.0", client_secret=client.secret, resource=api.uri)
    response = await post(http, server, contoso, fields, version="v1.0")
    assert claims(response.json()["access_token"])["ver"] == "2.0"


async def test_a_resource_that_wants_version_1(
    graph: GraphServiceClient, http: httpx.AsyncClient, server: Server, contoso: Tenant, client: Workload
):
    resource = await new_resource(graph, 1)
    found = claims(await token(http, server, contoso, client.app_id, client.secret, f"{resource.uri}/.default"))
    assert found["ver"] == "1.0"
    assert found["aud"] == resource.uri


async def test_a_resource_may_be_named_by_its_app_id(
    http: httpx.AsyncClient, server: Server, contoso: Tenant, client: Workload, api: Resource
):
    found = claims(await token(http, server, contoso, client.app_id, client.secret, f"{api.app_id}/.default"))
    assert found["aud"] == api.app_id


async def test_who_was_granted_nothing_has_no_roles(
    http: httpx.AsyncClient, server: Server, contoso: Tenant, workload: Workload
):
    assert "roles" not in claims(await token(http, server, contoso, workload.app_id, workload.secret))


async def test_times(http: httpx.AsyncClient, server: Server, contoso: Tenant, client: Workload):
    """Some resources compare without any tolerance."""
    before = time.time()
    response = await post(http, server, contoso, form(client.app_id, client_secret=client.secret))
    found = claims(response.json()["access_token"])
    assert found["nbf"] <= before and found["iat"] <= time.time()
    assert abs(found["exp"] - before - response.json()["expires_in"]) <= 5


async def test_the_token_names_the_sign_in_that_it_came_from(
    beta: GraphServiceClient, http: httpx.AsyncClient, server: Server, contoso: Tenant, workload: Workload
):
    found = claims(await token(http, server, contoso, workload.app_id, workload.secret))

    async def sign_ins():
        return await graphs.listed(
            beta.audit_logs.sign_ins,
            filter="signInEventTypes/any(t: t eq 'servicePrincipal') and "
            f"servicePrincipalId eq '{workload.service_principal_id}'",
        )

    records = await graphs.eventually(sign_ins)
    assert len(records) == 1
    assert records[0].additional_data["uniqueTokenIdentifier"] == found["uti"] == uti(records[0].id)
