"""Who may do what at Microsoft Graph, and whose tokens count."""

import uuid

import httpx
import pytest
from azure.core.exceptions import ClientAuthenticationError
from msgraph import GraphServiceClient
from msgraph.generated.models.application import Application
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.risk_state import RiskState

from support import graph as graphs
from support.graph import Workload
from support.keys import Key
from support.server import GRAPH_SCOPE, Server, Tenant
from support.tokens import claims, header, token

RISKY = "/v1.0/identityProtection/riskyServicePrincipals"


@pytest.fixture(scope="module")
async def compromised(graph: GraphServiceClient) -> Workload:
    workload = await graphs.new_workload(graph, "compromised")
    await graphs.confirm(graph, workload.service_principal_id)
    return workload


def assert_denied(error: pytest.ExceptionInfo[ODataError]) -> None:
    assert error.value.response_status_code == 403
    assert error.value.error.code == "Authorization_RequestDenied"
    assert "Insufficient privileges" in error.value.error.message


async def state(graph: GraphServiceClient, workload: Workload) -> RiskState:
    builder = graph.identity_protection.risky_service_principals
    return (await builder.by_risky_service_principal_id(workload.service_principal_id).get()).risk_state


# Permissions.


async def test_who_may_read_risk_may_not_dismiss_it(
    graph: GraphServiceClient, server: Server, contoso: Tenant, workload: Workload, compromised: Workload
):
    await graphs.grant(graph, workload, "IdentityRiskyServicePrincipal.Read.All")
    async with graphs.signed_in(server, contoso, workload.app_id, workload.secret) as reader:
        assert await state(reader, compromised) == RiskState.ConfirmedCompromised
        assert (await reader.identity_protection.risky_service_principals.get()).value
        with pytest.raises(ODataError) as error:
            await graphs.dismiss(reader, compromised.service_principal_id)
    assert_denied(error)
    assert await state(graph, compromised) == RiskState.ConfirmedCompromised


async def test_who_may_write_risk_may_dismiss_it(
    graph: GraphServiceClient, server: Server, contoso: Tenant, workload: Workload
):
    other = await graphs.new_workload(graph, "accused")
    await graphs.confirm(graph, other.service_principal_id)
    await graphs.grant(graph, workload, "IdentityRiskyServicePrincipal.ReadWrite.All")
    async with graphs.signed_in(server, contoso, workload.app_id, workload.secret) as writer:
        await graphs.dismiss(writer, other.service_principal_id)
    assert await state(graph, other) == RiskState.Dismissed


@pytest.mark.parametrize(
    "read",
    [
        lambda graph: graph.identity_protection.risky_service_principals.get(),
        lambda graph: graph.identity_protection.service_principal_risk_detections.get(),
        lambda graph: graph.applications.get(),
        lambda graph: graph.service_principals.get(),
        lambda graph: graph.audit_logs.directory_audits.get(),
        lambda graph: graph.audit_logs.sign_ins.get(),
        lambda graph: graph.role_management.directory.role_assignments.get(),
        lambda graph: graph.oauth2_permission_grants.get(),
        lambda graph: graph.directory.deleted_items.graph_application.get(),
    ],
    ids=[
        "risk", "detections", "applications", "service principals", "audits", "sign-ins", "roles", "grants", "deleted",
    ],
)
async def test_who_has_no_permission_reads_nothing(server: Server, contoso: Tenant, workload: Workload, read):
    async with graphs.signed_in(server, contoso, workload.app_id, workload.secret) as nobody:
        with pytest.raises(ODataError) as error:
            await read(nobody)
    assert_denied(error)


async def test_who_may_read_applications_may_not_change_them(
    graph: GraphServiceClient, server: Server, contoso: Tenant, workload: Workload
):
    other = await graphs.new_workload(graph, "victim")
    await graphs.grant(graph, workload, "Application.Read.All")
    async with graphs.signed_in(server, contoso, workload.app_id, workload.secret) as reader:
        item = reader.applications.by_application_id(other.object_id)
        assert (await item.get()).display_name == other.name
        for change in [
            item.patch(Application(notes="mine")), item.delete(), graphs.new_secret(reader, other.object_id),
            graphs.new_application(reader), graphs.grant(reader, workload, "AuditLog.Read.All"),
        ]:
            with pytest.raises(ODataError) as error:
                await change
            assert_denied(error)


async def test_an_owner_changes_what_is_its_own(
    graph: GraphServiceClient, server: Server, contoso: Tenant, workload: Workload
):
    other = await graphs.new_workload(graph, "victim")
    await graphs.grant(graph, workload, "Application.ReadWrite.OwnedBy")
    async with graphs.signed_in(server, contoso, workload.app_id, workload.secret) as owner:
        own = await graphs.new_application(owner, "own")
        owners = (await graph.applications.by_application_id(own.id).owners.get()).value
        assert [item.id for item in owners] == [workload.service_principal_id], "who makes it owns it"
        await owner.applications.by_application_id(own.id).patch(Application(notes="mine"))
        with pytest.raises(ODataError) as error:
            await owner.applications.by_application_id(other.object_id).patch(Application(notes="mine"))
    assert_denied(error)


# Tokens.


async def test_no_token(http: httpx.AsyncClient):
    response = await http.get(RISKY)
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "InvalidAuthenticationToken"
    assert response.headers["www-authenticate"].startswith("Bearer ")


@pytest.mark.parametrize("value", ["Bearer", "Bearer nonsense", "Bearer a.b.c", "Basic dXNlcjpwYXNz"])
async def test_something_that_is_no_token(http: httpx.AsyncClient, value: str):
    response = await http.get(RISKY, headers={"Authorization": value})
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "InvalidAuthenticationToken"


@pytest.mark.parametrize("forgery", ["claims", "signature", "algorithm", "own key"])
async def test_a_token_that_was_tampered_with(
    http: httpx.AsyncClient, server: Server, contoso: Tenant, forgery: str
):
    good = await token(http, server, contoso, contoso.admin.client_id, contoso.admin.secret)
    head, body, signature = good.split(".")
    forger = Key("forger")
    match forgery:
        case "claims":
            body = forger.sign(claims(good) | {"oid": str(uuid.uuid4())}).split(".")[1]
            bad = f"{head}.{body}.{signature}"
        case "signature":
            bad = f"{head}.{body}.{signature[::-1]}"
        case "algorithm":
            head = forger.sign({}, alg="none", header={"kid": header(good)["kid"]}).split(".")[0]
            bad = f"{head}.{body}."
        case _:
            bad = forger.sign(claims(good), alg="RS256", header={"kid": header(good)["kid"]})
    response = await http.get(RISKY, headers={"Authorization": f"Bearer {bad}"})
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "InvalidAuthenticationToken"


async def test_a_token_for_another_resource(
    graph: GraphServiceClient, http: httpx.AsyncClient, server: Server, contoso: Tenant, workload: Workload
):
    """Although its holder may do everything at Graph."""
    admin = contoso.admin
    other = await token(http, server, contoso, admin.client_id, admin.secret, f"{workload.app_id}/.default")
    response = await http.get(RISKY, headers={"Authorization": f"Bearer {other}"})
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "InvalidAuthenticationToken"


# Two tenants.


async def test_a_tenant_knows_nobody_of_another(server: Server, contoso: Tenant, fabrikam: Tenant):
    async with graphs.credential(server, fabrikam, contoso.admin.client_id, contoso.admin.secret) as credential:
        with pytest.raises(ClientAuthenticationError, match="AADSTS700016"):
            await credential.get_token(GRAPH_SCOPE)


async def test_a_tenant_sees_nothing_of_another(
    graph: GraphServiceClient, server: Server, fabrikam: Tenant, compromised: Workload
):
    """The token says whose Graph it is: a token of Fabrikam opens nothing of Contoso."""
    async with graphs.signed_in(server, fabrikam, fabrikam.admin.client_id, fabrikam.admin.secret) as other:
        reads = [
            other.applications.by_application_id(compromised.object_id).get(),
            other.applications_with_app_id(compromised.app_id).get(),
            other.service_principals.by_service_principal_id(compromised.service_principal_id).get(),
            state(other, compromised),
        ]
        writes = [
            graphs.dismiss(other, compromised.service_principal_id),
            other.applications.by_application_id(compromised.object_id).patch(Application(notes="theirs")),
            other.applications.by_application_id(compromised.object_id).delete(),
            graphs.new_secret(other, compromised.object_id),
        ]
        for attempt in reads + writes:
            with pytest.raises(ODataError) as error:
                await attempt
            assert error.value.response_status_code == 404
        ids = {item.id for item in (await other.applications.get()).value}
        assert compromised.object_id not in ids
        assert (await other.identity_protection.risky_service_principals.get()).value == []
    assert await state(graph, compromised) == RiskState.ConfirmedCompromised
