"""What workload identity federation does not do yet: goes to test_federation.py, without its mark."""

import asyncio
import time
from pathlib import Path

import httpx
import pytest
from msgraph import GraphServiceClient
from msgraph.generated.models.federated_identity_credential import FederatedIdentityCredential

from support import graph as graphs
from support.issuer import AUDIENCE, Issuer
from support.keys import ASSERTION_TYPE
from support.server import Server, Tenant
from support.tokens import form, post


class Slow(Issuer):
    def documents(self) -> dict[str, dict]:
        time.sleep(6)
        return super().documents()


@pytest.mark.xfail(strict=True, reason="one lock for all issuers is held while keys are fetched")
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
