"""What a service principal may do: app roles, delegated permissions, directory roles."""

import uuid

import httpx
import pytest
from msgraph import GraphServiceClient
from msgraph.generated.models.o_auth2_permission_grant import OAuth2PermissionGrant
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.unified_role_assignment import UnifiedRoleAssignment

from support import graph as graphs
from support.graph import ROLE_IDS, Workload, listed
from support.server import Server, Tenant
from support.tokens import claims, token

SECURITY_READER = "5d6b6bb7-de71-4623-b4af-96380a352509"
GLOBAL_ADMINISTRATOR = "62e90394-69f5-4237-9190-012177145e10"


# App roles.


async def test_microsoft_graph_is_there_with_its_roles(graph: GraphServiceClient):
    principal = await graphs.graph_principal(graph)
    assert principal.display_name == "Microsoft Graph"
    roles = {role.value: str(role.id) for role in principal.app_roles}
    assert ROLE_IDS.items() <= roles.items()


async def test_a_role_stands_in_the_next_token(
    graph: GraphServiceClient, http: httpx.AsyncClient, server: Server, contoso: Tenant, workload: Workload
):
    async def roles() -> list[str]:
        return claims(await token(http, server, contoso, workload.app_id, workload.secret)).get("roles", [])

    assert await roles() == []
    first = await graphs.grant(graph, workload, "Application.Read.All")
    await graphs.grant(graph, workload, "AuditLog.Read.All")
    assert sorted(await roles()) == ["Application.Read.All", "AuditLog.Read.All"]
    item = graph.service_principals.by_service_principal_id(workload.service_principal_id)
    await item.app_role_assignments.by_app_role_assignment_id(first.id).delete()
    assert await roles() == ["AuditLog.Read.All"]


async def test_an_assignment_tells_who_has_what(graph: GraphServiceClient, workload: Workload):
    resource = await graphs.graph_principal(graph)
    made = await graphs.grant(graph, workload, "Application.Read.All")
    item = graph.service_principals.by_service_principal_id(workload.service_principal_id)
    [found] = (await item.app_role_assignments.get()).value
    assert found.id == made.id
    assert str(found.principal_id) == workload.service_principal_id
    assert found.principal_display_name == workload.name
    assert found.principal_type == "ServicePrincipal"
    assert (str(found.resource_id), found.resource_display_name) == (resource.id, "Microsoft Graph")
    assert str(found.app_role_id) == ROLE_IDS["Application.Read.All"]
    assert found.created_date_time is not None


async def test_the_resource_lists_it_too(graph: GraphServiceClient, workload: Workload):
    resource = await graphs.graph_principal(graph)
    await graphs.grant(graph, workload, "Application.Read.All")
    assigned = graph.service_principals.by_service_principal_id(resource.id).app_role_assigned_to
    found = await listed(assigned, filter=f"principalDisplayName eq '{workload.name}'")
    assert [str(item.principal_id) for item in found] == [workload.service_principal_id]


async def test_a_role_is_assigned_once(graph: GraphServiceClient, workload: Workload):
    await graphs.grant(graph, workload, "Application.Read.All")
    with pytest.raises(ODataError) as error:
        await graphs.grant(graph, workload, "Application.Read.All")
    assert error.value.response_status_code in (400, 409)


# Delegated permissions.


async def test_a_delegated_permission_grant(graph: GraphServiceClient, workload: Workload):
    resource = await graphs.graph_principal(graph)
    grants = graph.oauth2_permission_grants
    made = await grants.post(
        OAuth2PermissionGrant(
            client_id=workload.service_principal_id, consent_type="AllPrincipals", resource_id=resource.id,
            scope="User.Read",
        )
    )
    item = grants.by_o_auth2_permission_grant_id(made.id)
    await item.patch(OAuth2PermissionGrant(scope="User.Read Directory.Read.All"))
    assert (await item.get()).scope.split() == ["User.Read", "Directory.Read.All"]
    by_client = await listed(grants, filter=f"clientId eq '{workload.service_principal_id}'")
    principal = graph.service_principals.by_service_principal_id(workload.service_principal_id)
    by_principal = (await principal.oauth2_permission_grants.get()).value
    assert [grant.id for grant in by_client] == [grant.id for grant in by_principal] == [made.id]
    await item.delete()
    assert await listed(grants, filter=f"clientId eq '{workload.service_principal_id}'") == []


# Directory roles.


async def test_roles_are_defined(graph: GraphServiceClient):
    definitions = graph.role_management.directory.role_definitions
    found = {role.template_id: role for role in (await definitions.get()).value}
    assert found[GLOBAL_ADMINISTRATOR].display_name == "Global Administrator"
    assert found[SECURITY_READER].is_built_in is True
    assert (await definitions.by_unified_role_definition_id(SECURITY_READER).get()).display_name == "Security Reader"


async def test_templates_of_roles(graph: GraphServiceClient):
    found = {template.id: template.display_name for template in (await graph.directory_role_templates.get()).value}
    assert found[SECURITY_READER] == "Security Reader"


async def test_a_role_assignment(
    graph: GraphServiceClient, http: httpx.AsyncClient, server: Server, contoso: Tenant, workload: Workload
):
    async def roles() -> list[str]:
        return claims(await token(http, server, contoso, workload.app_id, workload.secret))["wids"]

    assignments = graph.role_management.directory.role_assignments
    made = await assignments.post(
        UnifiedRoleAssignment(
            principal_id=workload.service_principal_id, role_definition_id=SECURITY_READER, directory_scope_id="/"
        )
    )
    [found] = await listed(assignments, filter=f"principalId eq '{workload.service_principal_id}'")
    assert (found.id, found.role_definition_id, found.directory_scope_id) == (made.id, SECURITY_READER, "/")
    assert SECURITY_READER in await roles()

    role = await graph.directory_roles_with_role_template_id(SECURITY_READER).get()
    assert role.id in {role.id for role in (await graph.directory_roles.get()).value}
    members = (await graph.directory_roles.by_directory_role_id(role.id).members.get()).value
    assert workload.service_principal_id in {member.id for member in members}

    await assignments.by_unified_role_assignment_id(made.id).delete()
    assert SECURITY_READER not in await roles()


async def test_a_role_for_nobody(graph: GraphServiceClient):
    with pytest.raises(ODataError) as error:
        await graph.role_management.directory.role_assignments.post(
            UnifiedRoleAssignment(
                principal_id=str(uuid.uuid4()), role_definition_id=SECURITY_READER, directory_scope_id="/"
            )
        )
    assert error.value.response_status_code in (400, 404)
