"""Workload identity federation: tokens of a foreign issuer instead of a credential."""

import asyncio
import time
from pathlib import Path

import httpx
import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ClientAssertionCredential, WorkloadIdentityCredential
from azure.identity.aio import ClientAssertionCredential as AsyncClientAssertionCredential
from azure.identity.aio import WorkloadIdentityCredential as AsyncWorkloadIdentityCredential
from msgraph import GraphServiceClient
from msgraph.generated.models.federated_identity_credential import FederatedIdentityCredential

from support import graph as graphs
from support.graph import Workload
from support.issuer import AUDIENCE, Issuer
from support.keys import ASSERTION_TYPE, Key
from support.refusals import assert_refused
from support.server import GRAPH_SCOPE, Server, Tenant
from support.tokens import claims, form, post

SUBJECT = "system:serviceaccount:billing:sync"


@pytest.fixture(scope="module")
async def federated(graph: GraphServiceClient, issuer: Issuer) -> Workload:
    """An application that trusts the issuer's tokens for SUBJECT."""
    workload = await graphs.new_workload(graph, "federated")
    await graph.applications.by_application_id(workload.object_id).federated_identity_credentials.post(
        FederatedIdentityCredential(name="cluster", issuer=issuer.url, subject=SUBJECT, audiences=[AUDIENCE])
    )
    return workload


@pytest.fixture
def token_file(issuer: Issuer, tmp_path: Path) -> Path:
    """As a cluster mounts it into a container."""
    path = tmp_path / "token"
    path.write_text(issuer.token(SUBJECT))
    return path


def test_workload_identity_credential(
    server: Server, contoso: Tenant, federated: Workload, token_file: Path, issuer: Issuer
):
    with WorkloadIdentityCredential(
        tenant_id=contoso.id, client_id=federated.app_id, token_file_path=str(token_file),
        authority=server.authority, disable_instance_discovery=True, connection_verify=server.ca,
    ) as credential:
        token = credential.get_token(GRAPH_SCOPE).token
    assert claims(token)["appid"] == federated.app_id
    assert claims(token)["appidacr"] == "2"
    assert "/.well-known/openid-configuration" in issuer.requests, "its keys were looked up"


async def test_workload_identity_credential_aio(
    server: Server, contoso: Tenant, federated: Workload, token_file: Path
):
    async with AsyncWorkloadIdentityCredential(
        tenant_id=contoso.id, client_id=federated.app_id, token_file_path=str(token_file),
        authority=server.authority, connection_verify=server.ca,
    ) as credential:
        assert claims((await credential.get_token(GRAPH_SCOPE)).token)["oid"] == federated.service_principal_id


def test_client_assertion_credential(server: Server, contoso: Tenant, federated: Workload, issuer: Issuer):
    with ClientAssertionCredential(
        contoso.id, federated.app_id, lambda: issuer.token(SUBJECT),
        authority=server.authority, disable_instance_discovery=True, connection_verify=server.ca,
    ) as credential:
        assert claims(credential.get_token(GRAPH_SCOPE).token)["oid"] == federated.service_principal_id


def refused(server: Server, tenant: Tenant, workload: Workload, assertion: str) -> str:
    """What azure-identity says of an assertion that is refused."""
    with ClientAssertionCredential(
        tenant.id, workload.app_id, lambda: assertion,
        authority=server.authority, disable_instance_discovery=True, connection_verify=server.ca,
    ) as credential:
        with pytest.raises(ClientAuthenticationError) as error:
            credential.get_token(GRAPH_SCOPE)
    return error.value.message


@pytest.mark.parametrize(
    ("subject", "claim", "codes"),
    [
        ("system:serviceaccount:billing:other", {}, (700213, 70021)),
        # Compared to the letter.
        (SUBJECT.upper(), {}, (700213, 70021)),
        (SUBJECT, {"aud": "api://somebody-else"}, (700212, 70021)),
        (SUBJECT, {"iss": "https://localhost:1"}, (700211, 70021)),
    ],
    ids=["subject", "case of the subject", "audience", "issuer"],
)
async def test_a_token_that_nobody_agreed_to_trust(
    http: httpx.AsyncClient, server: Server, contoso: Tenant, federated: Workload, issuer: Issuer,
    subject: str, claim: dict, codes: tuple[int, ...],
):
    assertion = issuer.token(subject, **claim)
    fields = form(federated.app_id, client_assertion_type=ASSERTION_TYPE, client_assertion=assertion)
    document = assert_refused(await post(http, server, contoso, fields), *codes)
    assert f"AADSTS{document['error_codes'][0]}" in refused(server, contoso, federated, assertion)


async def test_a_token_that_the_issuer_never_signed(
    http: httpx.AsyncClient, server: Server, contoso: Tenant, federated: Workload, issuer: Issuer
):
    forged = issuer.token(SUBJECT, key=Key("forger"))
    fields = form(federated.app_id, client_assertion_type=ASSERTION_TYPE, client_assertion=forged)
    response = await post(http, server, contoso, fields)
    assert response.status_code in (400, 401)
    assert response.json()["error_codes"][0] in {700027, 50012, 50013}, response.text


async def test_a_token_that_has_expired(
    http: httpx.AsyncClient, server: Server, contoso: Tenant, federated: Workload, issuer: Issuer
):
    old = issuer.token(SUBJECT, iat=int(time.time()) - 7200, nbf=int(time.time()) - 7200, exp=int(time.time()) - 3600)
    fields = form(federated.app_id, client_assertion_type=ASSERTION_TYPE, client_assertion=old)
    assert_refused(await post(http, server, contoso, fields), 700024)


async def test_a_trust_that_was_withdrawn(
    graph: GraphServiceClient, server: Server, contoso: Tenant, workload: Workload, issuer: Issuer
):
    trusts = graph.applications.by_application_id(workload.object_id).federated_identity_credentials
    trust = await trusts.post(
        FederatedIdentityCredential(name="short", issuer=issuer.url, subject=workload.name, audiences=[AUDIENCE])
    )

    async with AsyncClientAssertionCredential(
        contoso.id, workload.app_id, lambda: issuer.token(workload.name),
        authority=server.authority, connection_verify=server.ca,
    ) as credential:
        await credential.get_token(GRAPH_SCOPE)
    await trusts.by_federated_identity_credential_id(trust.id).delete()
    message = refused(server, contoso, workload, issuer.token(workload.name))
    assert "AADSTS70021" in message, message


class Slow(Issuer):
    def documents(self) -> dict[str, dict]:
        time.sleep(6)
        return super().documents()


async def test_a_slow_issuer_holds_nobody_else_up(
    graph: GraphServiceClient, http: httpx.AsyncClient, server: Server, contoso: Tenant, issuer: Issuer, tmp_path: Path
):
    """Whoever may add a federated credential in one tenant could stop all sign-ins by federation, in every tenant."""
    slow = Slow(server.issuers, tmp_path)

    async def ask(who: Issuer) -> httpx.Response:
        workload = await graphs.new_workload(graph)
        credentials = graph.applications.by_application_id(workload.object_id).federated_identity_credentials
        await credentials.post(
            FederatedIdentityCredential(name="job", issuer=who.url, subject=workload.name, audiences=[AUDIENCE])
        )
        assertion = who.token(workload.name)
        return await post(
            http, server, contoso,
            form(workload.app_id, client_assertion_type=ASSERTION_TYPE, client_assertion=assertion),
        )

    assert (await ask(issuer)).status_code == 200, "its keys are known"
    waiting = asyncio.create_task(ask(slow))
    await asyncio.sleep(1)
    begun = time.monotonic()
    assert (await ask(issuer)).status_code == 200
    seconds = time.monotonic() - begun
    await waiting
    slow.close()
    assert seconds < 3
