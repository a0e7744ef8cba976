"""Applications and service principals from creation to the end, through Microsoft Graph's client."""

import uuid

import pytest
from msgraph import GraphServiceClient
from msgraph.generated.models.app_role import AppRole
from msgraph.generated.models.application import Application
from msgraph.generated.models.federated_identity_credential import FederatedIdentityCredential
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.reference_create import ReferenceCreate
from msgraph.generated.models.service_principal import ServicePrincipal

from support import graph as graphs
from support.graph import Workload, listed
from support.server import Server, Tenant
from support.tokens import form, post, token


def assert_missing(error: pytest.ExceptionInfo[ODataError]) -> None:
    assert error.value.response_status_code == 404
    assert error.value.error.code in {"Request_ResourceNotFound", "ResourceNotFound"}


# Applications.


async def test_a_new_application(graph: GraphServiceClient):
    name = graphs.unique("new")
    made = await graph.applications.post(Application(display_name=name))
    assert str(uuid.UUID(made.id)) == made.id and str(uuid.UUID(made.app_id)) == made.app_id
    assert made.id != made.app_id
    assert made.display_name == name
    assert made.created_date_time is not None and made.deleted_date_time is None
    assert made.identifier_uris == [] and made.key_credentials == [] and made.password_credentials == []
    assert made.sign_in_audience
    found = await graph.applications.by_application_id(made.id).get()
    assert (found.app_id, found.display_name) == (made.app_id, name)


async def test_an_application_by_its_client_id(graph: GraphServiceClient, workload: Workload):
    assert (await graph.applications_with_app_id(workload.app_id).get()).id == workload.object_id


async def test_a_change_leaves_the_rest_alone(graph: GraphServiceClient):
    made = await graphs.new_application(graph, notes="before", tags=["one", "two"])
    item = graph.applications.by_application_id(made.id)
    await item.patch(Application(notes="after"))
    found = await item.get()
    assert (found.notes, found.tags, found.display_name) == ("after", ["one", "two"], made.display_name)


async def test_a_name_is_needed(graph: GraphServiceClient):
    with pytest.raises(ODataError) as error:
        await graph.applications.post(Application(notes="nameless"))
    assert error.value.response_status_code == 400
    assert error.value.error.message


@pytest.mark.parametrize("value", ["Orders Read", "Orders.Read\n", ".Orders", "Ördèrs", "x" * 121])
async def test_the_value_of_a_role_is_one_word(graph: GraphServiceClient, value: str):
    """Values stand side by side in tokens and headers, with blanks between."""
    role = AppRole(
        id=uuid.uuid4(), allowed_member_types=["Application"], display_name="Read", description="Read", value=value,
        is_enabled=True,
    )
    with pytest.raises(ODataError) as error:
        await graphs.new_application(graph, app_roles=[role])
    assert error.value.response_status_code == 400
    role.value = "Orders.Read-All/x"
    made = await graphs.new_application(graph, app_roles=[role])
    role.value = value
    with pytest.raises(ODataError) as error:
        await graph.applications.by_application_id(made.id).patch(Application(app_roles=[role]))
    assert error.value.response_status_code == 400


async def test_graph_itself_is_not_deleted(graph: GraphServiceClient):
    """Nobody could call this API any more, not even to restore it."""
    resource = await graphs.graph_principal(graph)
    with pytest.raises(ODataError) as error:
        await graph.service_principals.by_service_principal_id(resource.id).delete()
    assert error.value.response_status_code == 403
    assert error.value.error.code == "Authorization_RequestDenied"
    assert (await graphs.graph_principal(graph)).id == resource.id


async def test_an_application_that_is_not_there(graph: GraphServiceClient):
    with pytest.raises(ODataError) as error:
        await graph.applications.by_application_id(str(uuid.uuid4())).get()
    assert_missing(error)


# Service principals.


async def test_a_new_service_principal(graph: GraphServiceClient, contoso: Tenant):
    application = await graphs.new_application(graph)
    made = await graphs.new_service_principal(graph, application)
    assert made.app_id == application.app_id and made.id != application.id
    assert made.display_name == application.display_name
    assert made.account_enabled is True
    assert made.service_principal_type == "Application"
    assert str(made.app_owner_organization_id) == contoso.id
    assert made.service_principal_names == [application.app_id]


async def test_a_service_principal_by_its_client_id(graph: GraphServiceClient, workload: Workload):
    found = await graph.service_principals_with_app_id(workload.app_id).get()
    assert found.id == workload.service_principal_id


async def test_an_application_has_one_service_principal(graph: GraphServiceClient, workload: Workload):
    with pytest.raises(ODataError) as error:
        await graph.service_principals.post(ServicePrincipal(app_id=workload.app_id))
    assert error.value.response_status_code == 409
    assert error.value.error.code == "Request_MultipleObjectsWithSameKeyValue"


async def test_names_of_the_application_are_names_of_the_service_principal(
    graph: GraphServiceClient, workload: Workload
):
    uri = f"api://{workload.app_id}"
    await graph.applications.by_application_id(workload.object_id).patch(Application(identifier_uris=[uri]))
    found = await graph.service_principals.by_service_principal_id(workload.service_principal_id).get()
    assert set(found.service_principal_names) == {workload.app_id, uri}


async def test_disabled_and_enabled_again(
    graph: GraphServiceClient, http, server: Server, contoso: Tenant, workload: Workload
):
    item = graph.service_principals.by_service_principal_id(workload.service_principal_id)
    fields = form(workload.app_id, client_secret=workload.secret)
    await item.patch(ServicePrincipal(account_enabled=False))
    assert (await item.get()).account_enabled is False
    assert (await post(http, server, contoso, fields)).json()["error_codes"] == [7000112]
    await item.patch(ServicePrincipal(account_enabled=True))
    assert (await post(http, server, contoso, fields)).status_code == 200


# Owners.


async def test_owners(graph: GraphServiceClient, workload: Workload):
    other = await graphs.new_workload(graph, "owner")
    owners = graph.applications.by_application_id(workload.object_id).owners
    before = {owner.id for owner in (await owners.get()).value}
    reference = f"https://graph.microsoft.com/v1.0/directoryObjects/{other.service_principal_id}"
    await owners.ref.post(ReferenceCreate(odata_id=reference))
    [owner] = [owner for owner in (await owners.get()).value if owner.id not in before]
    assert owner.id == other.service_principal_id
    assert isinstance(owner, ServicePrincipal), "known by its @odata.type"
    await owners.by_directory_object_id(owner.id).ref.delete()
    assert {owner.id for owner in (await owners.get()).value} == before


async def test_an_owner_is_added_once(graph: GraphServiceClient, server: Server, workload: Workload):
    other = await graphs.new_workload(graph, "owner")
    owners = graph.applications.by_application_id(workload.object_id).owners
    body = ReferenceCreate(odata_id=f"{server.authority}/v1.0/directoryObjects/{other.service_principal_id}")
    await owners.ref.post(body)
    with pytest.raises(ODataError) as error:
        await owners.ref.post(body)
    assert error.value.response_status_code == 400


async def test_owners_of_a_service_principal(graph: GraphServiceClient, server: Server, workload: Workload):
    other = await graphs.new_workload(graph, "owner")
    owners = graph.service_principals.by_service_principal_id(workload.service_principal_id).owners
    await owners.ref.post(
        ReferenceCreate(odata_id=f"{server.authority}/v1.0/directoryObjects/{other.service_principal_id}")
    )
    assert other.service_principal_id in {owner.id for owner in (await owners.get()).value}


# Federated identity credentials.


def trust(name: str = "main", **more) -> FederatedIdentityCredential:
    values = {
        "name": name, "issuer": "https://token.actions.githubusercontent.com",
        "subject": "repo:contoso/billing:ref:refs/heads/main", "audiences": ["api://AzureADTokenExchange"],
    }
    return FederatedIdentityCredential(**(values | more))


async def test_a_federated_identity_credential(graph: GraphServiceClient, workload: Workload):
    trusts = graph.applications.by_application_id(workload.object_id).federated_identity_credentials
    made = await trusts.post(trust())
    item = trusts.by_federated_identity_credential_id(made.id)
    found = await item.get()
    assert (found.name, found.issuer) == ("main", "https://token.actions.githubusercontent.com")
    assert found.audiences == ["api://AzureADTokenExchange"]
    await item.patch(FederatedIdentityCredential(subject="repo:contoso/billing:environment:production"))
    [only] = (await trusts.get()).value
    assert only.subject == "repo:contoso/billing:environment:production"
    assert only.issuer == found.issuer, "the rest is as it was"
    await item.delete()
    assert (await trusts.get()).value == []


async def test_a_federated_identity_credential_by_name(graph: GraphServiceClient, workload: Workload):
    application = graph.applications.by_application_id(workload.object_id)
    made = await application.federated_identity_credentials.post(trust("by-name"))
    assert (await application.federated_identity_credentials_with_name("by-name").get()).id == made.id


@pytest.mark.parametrize(
    "change",
    [
        {"audiences": []},
        {"audiences": ["api://one", "api://two"]},
        {"name": "a name with spaces"},
        {"name": "x" * 121},
        {"subject": "s" * 601},
    ],
    ids=["no audience", "two audiences", "spaces", "long name", "long subject"],
)
async def test_a_federated_identity_credential_that_cannot_be(
    graph: GraphServiceClient, workload: Workload, change: dict
):
    trusts = graph.applications.by_application_id(workload.object_id).federated_identity_credentials
    with pytest.raises(ODataError) as error:
        await trusts.post(trust(**change))
    assert error.value.response_status_code == 400


async def test_issuer_and_subject_are_trusted_once(graph: GraphServiceClient, workload: Workload):
    trusts = graph.applications.by_application_id(workload.object_id).federated_identity_credentials
    await trusts.post(trust("first"))
    with pytest.raises(ODataError) as error:
        await trusts.post(trust("second"))
    assert error.value.response_status_code in (400, 409)


# The end.


async def test_deleted_and_restored(
    graph: GraphServiceClient, http, server: Server, contoso: Tenant, workload: Workload
):
    await graph.applications.by_application_id(workload.object_id).delete()
    with pytest.raises(ODataError) as error:
        await graph.applications.by_application_id(workload.object_id).get()
    assert_missing(error)
    fields = form(workload.app_id, client_secret=workload.secret)
    assert (await post(http, server, contoso, fields)).status_code in (400, 401)

    deleted = graph.directory.deleted_items
    assert workload.object_id in {item.id for item in await listed(deleted.graph_application, top=999)}
    assert (await deleted.by_directory_object_id(workload.object_id).get()).deleted_date_time is not None

    restored = await deleted.by_directory_object_id(workload.object_id).restore.post()
    assert isinstance(restored, Application) and restored.id == workload.object_id
    assert (await graph.applications.by_application_id(workload.object_id).get()).display_name == workload.name


async def test_the_service_principal_goes_with_its_application(graph: GraphServiceClient, workload: Workload):
    await graph.applications.by_application_id(workload.object_id).delete()
    with pytest.raises(ODataError) as error:
        await graph.service_principals.by_service_principal_id(workload.service_principal_id).get()
    assert_missing(error)


async def test_the_service_principal_has_the_name_of_its_application(graph: GraphServiceClient, workload: Workload):
    """Where the application is at home; a new name of the service principal is its own."""
    principal = graph.service_principals.by_service_principal_id(workload.service_principal_id)
    await principal.patch(ServicePrincipal(display_name="its own"))
    application = graph.applications.by_application_id(workload.object_id)
    assert (await application.get()).display_name == workload.name
    await application.patch(Application(notes="no new name"))
    assert (await principal.get()).display_name == "its own"
    await application.patch(Application(display_name="renamed"))
    found = await principal.get()
    assert (found.display_name, found.app_display_name) == ("renamed", "renamed")


async def test_a_service_principal_deleted_and_restored(
    graph: GraphServiceClient, http, server: Server, contoso: Tenant, workload: Workload
):
    item = graph.service_principals.by_service_principal_id(workload.service_principal_id)
    await item.delete()
    fields = form(workload.app_id, client_secret=workload.secret)
    assert (await post(http, server, contoso, fields)).json()["error_codes"] == [7000229]
    deleted = graph.directory.deleted_items
    found = {item.id for item in await listed(deleted.graph_service_principal, top=999)}
    assert workload.service_principal_id in found
    restored = await deleted.by_directory_object_id(workload.service_principal_id).restore.post()
    assert isinstance(restored, ServicePrincipal)
    assert await token(http, server, contoso, workload.app_id, workload.secret)
    assert (await item.get()).app_id == workload.app_id


async def test_deleted_for_ever(graph: GraphServiceClient, workload: Workload):
    await graph.applications.by_application_id(workload.object_id).delete()
    item = graph.directory.deleted_items.by_directory_object_id(workload.object_id)
    await item.delete()
    with pytest.raises(ODataError) as error:
        await item.get()
    assert_missing(error)
    with pytest.raises(ODataError) as error:
        await item.restore.post()
    assert_missing(error)
