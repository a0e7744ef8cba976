"""Every attempt to get a token is one sign-in record, whether it succeeded or not."""

import uuid

import httpx
import pytest
from msgraph import GraphServiceClient
from msgraph.generated.models.federated_identity_credential import FederatedIdentityCredential
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.service_principal import ServicePrincipal
from msgraph.generated.models.sign_in import SignIn

from support import graph as graphs
from support.graph import Workload, listed
from support.issuer import AUDIENCE, Issuer
from support.keys import ASSERTION_TYPE, Key
from support.server import Server, Tenant
from support.tokens import claims, form, post, token

SERVICE_PRINCIPALS = "signInEventTypes/any(t: t eq 'servicePrincipal')"


async def sign_ins(beta: GraphServiceClient, workload: Workload, expected: int) -> list[SignIn]:
    """The sign-ins of a workload, oldest first, as soon as there are as many as expected."""

    async def look() -> list[SignIn]:
        found = await listed(
            beta.audit_logs.sign_ins,
            filter=f"{SERVICE_PRINCIPALS} and servicePrincipalId eq '{workload.service_principal_id}'",
        )
        return sorted(found, key=lambda record: record.created_date_time)

    found = await graphs.eventually(look, lambda found: len(found) >= expected)
    assert len(found) == expected, [record.status.error_code for record in found]
    return found


async def test_success(
    beta: GraphServiceClient, http: httpx.AsyncClient, server: Server, contoso: Tenant, workload: Workload
):
    correlation_id = str(uuid.uuid4())
    fields = form(workload.app_id, client_secret=workload.secret)
    headers = {"client-request-id": correlation_id, "User-Agent": "billing/1.0"}
    response = await post(http, server, contoso, fields, headers=headers)
    [record] = await sign_ins(beta, workload, 1)
    assert record.status.error_code == 0
    assert record.app_id == workload.app_id
    assert record.service_principal_id == workload.service_principal_id
    assert record.service_principal_name == workload.name
    assert record.correlation_id == correlation_id
    assert record.ip_address == "127.0.0.1"
    assert record.user_agent == "billing/1.0"
    assert record.resource_display_name == "Microsoft Graph"
    assert record.resource_id == graphs.GRAPH_APP_ID
    more = record.additional_data
    assert more["signInEventTypes"] == ["servicePrincipal"]
    assert more["clientCredentialType"] == "clientSecret"
    assert str(more["servicePrincipalCredentialKeyId"]) == workload.secret_id
    assert more["uniqueTokenIdentifier"] == claims(response.json()["access_token"])["uti"]
    assert workload.secret not in str(more)


async def test_one_record_for_each_attempt(
    beta: GraphServiceClient, graph: GraphServiceClient, http: httpx.AsyncClient, server: Server, contoso: Tenant,
    workload: Workload,
):
    good = form(workload.app_id, client_secret=workload.secret)
    await post(http, server, contoso, good)
    await post(http, server, contoso, form(workload.app_id, client_secret="wrong"))
    await post(http, server, contoso, good | {"scope": f"api://{uuid.uuid4()}/.default"})
    assertion = Key().assertion(workload.app_id, server.token_endpoint(contoso))
    await post(
        http, server, contoso,
        form(workload.app_id, client_assertion_type=ASSERTION_TYPE, client_assertion=assertion),
    )
    await graph.service_principals.by_service_principal_id(workload.service_principal_id).patch(
        ServicePrincipal(account_enabled=False)
    )
    await post(http, server, contoso, good)
    records = await sign_ins(beta, workload, 5)
    assert [record.status.error_code for record in records] == [0, 7000215, 500011, 700027, 7000112]
    assert len({record.id for record in records}) == 5


async def test_a_failure_tells_what_the_client_was_told(
    beta: GraphServiceClient, http: httpx.AsyncClient, server: Server, contoso: Tenant, workload: Workload
):
    response = await post(http, server, contoso, form(workload.app_id, client_secret="wrong"))
    [record] = await sign_ins(beta, workload, 1)
    refusal = response.json()
    assert record.status.error_code == 7000215
    assert record.status.failure_reason
    assert record.correlation_id == refusal["correlation_id"]
    assert record.id == refusal["trace_id"]


async def test_a_certificate(
    beta: GraphServiceClient, graph: GraphServiceClient, http: httpx.AsyncClient, server: Server, contoso: Tenant,
    workload: Workload,
):
    key = Key()
    [registered] = await graphs.set_certificates(graph, workload.object_id, key)
    assertion = key.assertion(workload.app_id, server.token_endpoint(contoso))
    fields = form(workload.app_id, client_assertion_type=ASSERTION_TYPE, client_assertion=assertion)
    assert (await post(http, server, contoso, fields)).status_code == 200
    [record] = await sign_ins(beta, workload, 1)
    more = record.additional_data
    assert more["clientCredentialType"] in ("certificate", "clientAssertion")
    assert str(more["servicePrincipalCredentialKeyId"]) == str(registered.key_id)
    assert more["servicePrincipalCredentialThumbprint"].upper() == key.thumbprint


async def test_a_federated_credential(
    beta: GraphServiceClient, graph: GraphServiceClient, http: httpx.AsyncClient, server: Server, contoso: Tenant,
    workload: Workload, issuer: Issuer,
):
    trust = await graph.applications.by_application_id(workload.object_id).federated_identity_credentials.post(
        FederatedIdentityCredential(name="job", issuer=issuer.url, subject=workload.name, audiences=[AUDIENCE])
    )
    assertion = issuer.token(workload.name)
    fields = form(workload.app_id, client_assertion_type=ASSERTION_TYPE, client_assertion=assertion)
    assert (await post(http, server, contoso, fields)).status_code == 200
    [record] = await sign_ins(beta, workload, 1)
    assert record.additional_data["clientCredentialType"] == "federatedIdentityCredential"
    assert str(record.additional_data["federatedCredentialId"]) == trust.id


async def test_one_record(
    beta: GraphServiceClient, http: httpx.AsyncClient, server: Server, contoso: Tenant, workload: Workload
):
    await token(http, server, contoso, workload.app_id, workload.secret)
    [record] = await sign_ins(beta, workload, 1)
    assert (await beta.audit_logs.sign_ins.by_sign_in_id(record.id).get()).app_id == workload.app_id


async def test_filters(
    beta: GraphServiceClient, http: httpx.AsyncClient, server: Server, contoso: Tenant, workload: Workload
):
    await token(http, server, contoso, workload.app_id, workload.secret)
    [record] = await sign_ins(beta, workload, 1)
    for condition in [
        f"appId eq '{workload.app_id}'",
        f"startswith(servicePrincipalName, '{workload.name}')",
        f"correlationId eq '{record.correlation_id}'",
        f"status/errorCode eq 0 and servicePrincipalId eq '{workload.service_principal_id}'",
        f"createdDateTime ge 2020-01-01T00:00:00Z and appId eq '{workload.app_id}'",
    ]:
        found = await listed(beta.audit_logs.sign_ins, filter=f"{SERVICE_PRINCIPALS} and {condition}")
        assert [item.id for item in found] == [record.id], condition


async def test_the_newest_is_first(
    beta: GraphServiceClient, http: httpx.AsyncClient, server: Server, contoso: Tenant, workload: Workload
):
    for _ in range(3):
        await token(http, server, contoso, workload.app_id, workload.secret)
    await sign_ins(beta, workload, 3)
    times = [
        record.created_date_time
        for record in await listed(beta.audit_logs.sign_ins, filter=SERVICE_PRINCIPALS, top=50)
    ]
    assert times == sorted(times, reverse=True)


async def test_v1_does_not_know_this_filter(graph: GraphServiceClient):
    with pytest.raises(ODataError) as error:
        await listed(graph.audit_logs.sign_ins, filter=SERVICE_PRINCIPALS)
    assert error.value.response_status_code == 400
    assert "Could not find a property named 'signInEventTypes'" in error.value.error.message
