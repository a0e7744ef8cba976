"""Every change leaves its record in the audit log, under the name that Entra gives it."""

import datetime
import json
import uuid
from collections.abc import Awaitable, Callable

import pytest
from msgraph import GraphServiceClient
from msgraph.generated.applications.item.remove_password.remove_password_post_request_body import (
    RemovePasswordPostRequestBody,
)
from msgraph.generated.models.application import Application
from msgraph.generated.models.directory_audit import DirectoryAudit
from msgraph.generated.models.federated_identity_credential import FederatedIdentityCredential
from msgraph.generated.models.o_auth2_permission_grant import OAuth2PermissionGrant
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.operation_result import OperationResult
from msgraph.generated.models.password_credential import PasswordCredential
from msgraph.generated.models.reference_create import ReferenceCreate
from msgraph.generated.models.service_principal import ServicePrincipal
from msgraph.generated.models.unified_role_assignment import UnifiedRoleAssignment
from msgraph.generated.service_principals.item.add_password.add_password_post_request_body import (
    AddPasswordPostRequestBody,
)
from msgraph.generated.service_principals.item.remove_password.remove_password_post_request_body import (
    RemovePasswordPostRequestBody as RemoveOwnPasswordPostRequestBody,
)

from support import graph as graphs
from support.graph import Workload, listed
from support.keys import Key
from support.server import Server, Tenant

SECURITY_READER = "5d6b6bb7-de71-4623-b4af-96380a352509"

Action = Callable[[GraphServiceClient, Workload], Awaitable[str]]
ACTIONS: list[tuple[str, str, Action]] = []


def leaves(activity: str, category: str = "ApplicationManagement") -> Callable[[Action], Action]:
    """Notes the record that an action must leave. Each action returns the id of the object that is its target."""

    def note(action: Action) -> Action:
        ACTIONS.append((activity, category, action))
        return action

    return note


def normal(activity: str) -> str:
    """Entra writes an en dash in one name, and a blank after it; detection rules compare loosely, and so do we."""
    return " ".join(activity.replace("\u2013", "-").split()).casefold()


def application(graph: GraphServiceClient, workload: Workload):
    return graph.applications.by_application_id(workload.object_id)


def principal(graph: GraphServiceClient, workload: Workload):
    return graph.service_principals.by_service_principal_id(workload.service_principal_id)


def reference(workload: Workload) -> ReferenceCreate:
    return ReferenceCreate(
        odata_id=f"https://graph.microsoft.com/v1.0/directoryObjects/{workload.service_principal_id}"
    )


@leaves("Add application")
async def add_application(graph: GraphServiceClient, workload: Workload) -> str:
    return (await graphs.new_application(graph)).id


@leaves("Update application")
async def update_application(graph: GraphServiceClient, workload: Workload) -> str:
    await application(graph, workload).patch(Application(identifier_uris=[f"api://{workload.app_id}"]))
    return workload.object_id


@leaves("Update application - Certificates and secrets management")
async def add_secret(graph: GraphServiceClient, workload: Workload) -> str:
    await graphs.new_secret(graph, workload.object_id)
    return workload.object_id


@leaves("Update application - Certificates and secrets management")
async def remove_secret(graph: GraphServiceClient, workload: Workload) -> str:
    await application(graph, workload).remove_password.post(
        RemovePasswordPostRequestBody(key_id=uuid.UUID(workload.secret_id))
    )
    return workload.object_id


@leaves("Update application - Certificates and secrets management")
async def set_certificate(graph: GraphServiceClient, workload: Workload) -> str:
    await graphs.set_certificates(graph, workload.object_id, Key())
    return workload.object_id


@leaves("Update application")
async def trust_an_issuer(graph: GraphServiceClient, workload: Workload) -> str:
    await application(graph, workload).federated_identity_credentials.post(
        FederatedIdentityCredential(
            name="audited", issuer="https://issuer.example", subject="somebody",
            audiences=["api://AzureADTokenExchange"],
        )
    )
    return workload.object_id


@leaves("Add owner to application")
async def add_owner(graph: GraphServiceClient, workload: Workload) -> str:
    await application(graph, workload).owners.ref.post(reference(await graphs.new_workload(graph, "owner")))
    return workload.object_id


@leaves("Remove owner from application")
async def remove_owner(graph: GraphServiceClient, workload: Workload) -> str:
    other = await graphs.new_workload(graph, "owner")
    await application(graph, workload).owners.ref.post(reference(other))
    await application(graph, workload).owners.by_directory_object_id(other.service_principal_id).ref.delete()
    return workload.object_id


@leaves("Delete application")
async def delete_application(graph: GraphServiceClient, workload: Workload) -> str:
    await application(graph, workload).delete()
    return workload.object_id


@leaves("Restore application")
async def restore_application(graph: GraphServiceClient, workload: Workload) -> str:
    await application(graph, workload).delete()
    await graph.directory.deleted_items.by_directory_object_id(workload.object_id).restore.post()
    return workload.object_id


@leaves("Hard Delete application")
async def hard_delete_application(graph: GraphServiceClient, workload: Workload) -> str:
    await application(graph, workload).delete()
    await graph.directory.deleted_items.by_directory_object_id(workload.object_id).delete()
    return workload.object_id


@leaves("Add service principal")
async def add_principal(graph: GraphServiceClient, workload: Workload) -> str:
    return (await graphs.new_service_principal(graph, await graphs.new_application(graph))).id


@leaves("Update service principal")
async def disable_principal(graph: GraphServiceClient, workload: Workload) -> str:
    await principal(graph, workload).patch(ServicePrincipal(account_enabled=False))
    return workload.service_principal_id


@leaves("Remove service principal")
async def remove_principal(graph: GraphServiceClient, workload: Workload) -> str:
    await principal(graph, workload).delete()
    return workload.service_principal_id


@leaves("Restore service principal")
async def restore_principal(graph: GraphServiceClient, workload: Workload) -> str:
    await principal(graph, workload).delete()
    await graph.directory.deleted_items.by_directory_object_id(workload.service_principal_id).restore.post()
    return workload.service_principal_id


@leaves("Hard delete service principal")
async def hard_delete_principal(graph: GraphServiceClient, workload: Workload) -> str:
    await principal(graph, workload).delete()
    await graph.directory.deleted_items.by_directory_object_id(workload.service_principal_id).delete()
    return workload.service_principal_id


@leaves("Add service principal credentials")
async def add_own_secret(graph: GraphServiceClient, workload: Workload) -> str:
    await principal(graph, workload).add_password.post(
        AddPasswordPostRequestBody(password_credential=PasswordCredential(display_name="audited"))
    )
    return workload.service_principal_id


@leaves("Remove service principal credentials")
async def remove_own_secret(graph: GraphServiceClient, workload: Workload) -> str:
    made = await principal(graph, workload).add_password.post(
        AddPasswordPostRequestBody(password_credential=PasswordCredential(display_name="audited"))
    )
    await principal(graph, workload).remove_password.post(RemoveOwnPasswordPostRequestBody(key_id=made.key_id))
    return workload.service_principal_id


@leaves("Add owner to service principal")
async def add_owner_of_principal(graph: GraphServiceClient, workload: Workload) -> str:
    await principal(graph, workload).owners.ref.post(reference(await graphs.new_workload(graph, "owner")))
    return workload.service_principal_id


@leaves("Remove owner from service principal")
async def remove_owner_of_principal(graph: GraphServiceClient, workload: Workload) -> str:
    other = await graphs.new_workload(graph, "owner")
    await principal(graph, workload).owners.ref.post(reference(other))
    await principal(graph, workload).owners.by_directory_object_id(other.service_principal_id).ref.delete()
    return workload.service_principal_id


@leaves("Add app role assignment to service principal")
async def assign_role(graph: GraphServiceClient, workload: Workload) -> str:
    await graphs.grant(graph, workload, "Application.Read.All")
    return workload.service_principal_id


@leaves("Remove app role assignment from service principal")
async def unassign_role(graph: GraphServiceClient, workload: Workload) -> str:
    made = await graphs.grant(graph, workload, "Application.Read.All")
    await principal(graph, workload).app_role_assignments.by_app_role_assignment_id(made.id).delete()
    return workload.service_principal_id


async def delegated(graph: GraphServiceClient, workload: Workload) -> str:
    resource = await graphs.graph_principal(graph)
    made = await graph.oauth2_permission_grants.post(
        OAuth2PermissionGrant(
            client_id=workload.service_principal_id, consent_type="AllPrincipals", resource_id=resource.id,
            scope="User.Read",
        )
    )
    return made.id


@leaves("Add delegated permission grant")
async def delegate(graph: GraphServiceClient, workload: Workload) -> str:
    await delegated(graph, workload)
    return workload.service_principal_id


@leaves("Remove delegated permission grant")
async def undelegate(graph: GraphServiceClient, workload: Workload) -> str:
    made = await delegated(graph, workload)
    await graph.oauth2_permission_grants.by_o_auth2_permission_grant_id(made).delete()
    return workload.service_principal_id


async def directory_role(graph: GraphServiceClient, workload: Workload) -> str:
    made = await graph.role_management.directory.role_assignments.post(
        UnifiedRoleAssignment(
            principal_id=workload.service_principal_id, role_definition_id=SECURITY_READER, directory_scope_id="/"
        )
    )
    return made.id


@leaves("Add member to role", "RoleManagement")
async def add_to_role(graph: GraphServiceClient, workload: Workload) -> str:
    await directory_role(graph, workload)
    return workload.service_principal_id


@leaves("Remove member from role", "RoleManagement")
async def remove_from_role(graph: GraphServiceClient, workload: Workload) -> str:
    made = await directory_role(graph, workload)
    await graph.role_management.directory.role_assignments.by_unified_role_assignment_id(made).delete()
    return workload.service_principal_id


@leaves("Confirm service principal compromised", "IdentityProtection")
async def confirm(graph: GraphServiceClient, workload: Workload) -> str:
    await graphs.confirm(graph, workload.service_principal_id)
    return workload.service_principal_id


@leaves("Dismiss service principal risk", "IdentityProtection")
async def dismiss(graph: GraphServiceClient, workload: Workload) -> str:
    await graphs.confirm(graph, workload.service_principal_id)
    await graphs.dismiss(graph, workload.service_principal_id)
    return workload.service_principal_id


async def records_about(graph: GraphServiceClient, id: str, activity: str) -> list[DirectoryAudit]:
    """Records of an activity with `id` among their targets, as soon as there are any."""

    async def look() -> list[DirectoryAudit]:
        found = await listed(
            graph.audit_logs.directory_audits, filter=f"targetResources/any(t: t/id eq '{id}')", top=100
        )
        return [record for record in found if normal(record.activity_display_name) == normal(activity)]

    return await graphs.eventually(look)


@pytest.mark.parametrize(
    ("activity", "category", "action"), ACTIONS, ids=[action.__name__ for _, _, action in ACTIONS]
)
async def test_a_change_is_recorded(
    graph: GraphServiceClient, contoso: Tenant, workload: Workload, activity: str, category: str, action: Action
):
    begun = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=1)
    target = await action(graph, workload)
    records = await records_about(graph, target, activity)
    assert records, f"no record of `{activity}` about {target}"
    record = max(records, key=lambda record: record.activity_date_time)
    assert record.activity_date_time >= begun
    assert record.category == category
    assert record.result == OperationResult.Success
    assert record.initiated_by.user is None
    assert record.initiated_by.app.service_principal_id == contoso.admin.service_principal_id
    assert uuid.UUID(record.correlation_id)
    assert record.logged_by_service == (
        "Identity Protection" if category == "IdentityProtection" else "Core Directory"
    )
    assert record.operation_type


async def changed(graph: GraphServiceClient, id: str, activity: str) -> dict[str, tuple]:
    """Old and new values of the newest record, by property. They are JSON in a string."""
    record = max(await records_about(graph, id, activity), key=lambda record: record.activity_date_time)
    [target] = [target for target in record.target_resources if target.id == id]
    return {
        item.display_name: (json.loads(item.old_value or "null"), json.loads(item.new_value or "null"))
        for item in target.modified_properties
    }


async def test_a_new_secret_is_described_and_not_told(graph: GraphServiceClient, workload: Workload):
    made = await graphs.new_secret(graph, workload.object_id)
    activity = "Update application - Certificates and secrets management"

    async def look() -> str:
        return str((await changed(graph, workload.object_id, activity))["KeyDescription"][1])

    description = await graphs.eventually(look, lambda text: str(made.key_id) in text)
    assert f"KeyIdentifier={made.key_id},KeyType=Password,KeyUsage=Verify,DisplayName=test" in description
    assert made.secret_text not in description


async def test_a_new_trust_is_described(graph: GraphServiceClient, workload: Workload):
    await trust_an_issuer(graph, workload)
    old, new = (await changed(graph, workload.object_id, "Update application"))["FederatedIdentityCredentials"]
    assert not old
    assert (new[0]["Issuer"], new[0]["Subject"]) == ("https://issuer.example", "somebody")


async def test_disabling_is_described(graph: GraphServiceClient, workload: Workload):
    await disable_principal(graph, workload)
    values = await changed(graph, workload.service_principal_id, "Update service principal")
    assert values["AccountEnabled"] == ([True], [False])


async def test_a_refused_change_is_not_recorded_as_done(
    graph: GraphServiceClient, server: Server, contoso: Tenant, workload: Workload
):
    other = await graphs.new_workload(graph, "victim")
    async with graphs.signed_in(server, contoso, workload.app_id, workload.secret) as nobody:
        with pytest.raises(ODataError):
            await nobody.applications.by_application_id(other.object_id).delete()
    found = await listed(
        graph.audit_logs.directory_audits, filter=f"targetResources/any(t: t/id eq '{other.object_id}')", top=100
    )
    assert "delete application" not in {
        normal(record.activity_display_name) for record in found if record.result == OperationResult.Success
    }


@pytest.mark.parametrize(
    "condition",
    [
        "activityDisplayName eq 'Add application'",
        "startswith(activityDisplayName, 'Add ')",
        "loggedByService eq 'Core Directory'",
        "activityDateTime ge 2020-01-01T00:00:00Z and category eq 'ApplicationManagement'",
    ],
)
async def test_filters(graph: GraphServiceClient, workload: Workload, condition: str):
    assert await listed(graph.audit_logs.directory_audits, filter=condition, top=5)


async def test_one_record(graph: GraphServiceClient, workload: Workload):
    [record] = await records_about(graph, workload.object_id, "Add application")
    found = await graph.audit_logs.directory_audits.by_directory_audit_id(record.id).get()
    assert (found.id, found.activity_display_name) == (record.id, record.activity_display_name)
