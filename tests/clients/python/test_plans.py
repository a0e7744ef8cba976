"""What a tenant's plan shows of risk."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from msgraph import GraphServiceClient

from support import graph as graphs
from support.findings import Analysis, analysis
from support.graph import Workload, listed
from support.server import GRAPH_SCOPE, Server, own_server

ADMIN_CONFIRMED = "adminConfirmedServicePrincipalCompromised"
NOT_PREMIUM = "Authentication_RequestFromNonPremiumTenantOrB2CTenant"
RISKY = "/identityProtection/riskyServicePrincipals"
DETECTIONS = "/identityProtection/servicePrincipalRiskDetections"
KEPT_SECONDS = 6  # a server believes a tenant for five


@dataclass
class Setting:
    server: Server
    graph: GraphServiceClient
    http: httpx.AsyncClient
    analysis: Analysis
    confirmed: Workload

    async def plan(self, *words: str) -> None:
        """Another plan, once the server knows it."""
        self.server.done("tenant", "update", "--tenant", self.server.contoso.id, *words)
        await asyncio.sleep(KEPT_SECONDS)

    async def get(self, path: str, version: str = "v1.0") -> httpx.Response:
        return await self.http.get(f"/{version}{path}")

    async def all(self, path: str, version: str = "v1.0") -> list[dict]:
        response = await self.get(path, version)
        assert response.status_code == 200, response.text
        return response.json()["value"]


@pytest.fixture(scope="module")
async def setting(database: str) -> AsyncIterator[Setting]:
    """A server with findings of an analysis, and one of an administrator."""
    found = analysis()
    with own_server(database, tenant_id=found.tenant_id, second=False) as server:
        assert server.analyze(str(found.logs), "--into", str(server.data)).returncode == 0
        server.start()
        admin = server.contoso.admin
        async with graphs.credential(server, server.contoso, admin.client_id, admin.secret) as credential:
            graph = graphs.client(server, credential)
            workload = await graphs.new_workload(graph, "confirmed")
            await graphs.confirm(graph, workload.service_principal_id)
            token = (await credential.get_token(GRAPH_SCOPE)).token
            async with httpx.AsyncClient(
                verify=graphs.tls(server), base_url=server.authority, headers={"Authorization": f"Bearer {token}"},
                trust_env=False, timeout=30,
            ) as http:
                yield Setting(server, graph, http, found, workload)


@pytest.fixture(scope="module")
async def free(setting: Setting) -> AsyncIterator[Setting]:
    await setting.plan("--plan", "free")
    yield setting
    await setting.plan("--plan", "premium")


@pytest.mark.parametrize("version", ["v1.0", "beta"])
async def test_free_hides_levels(free: Setting, version: str):
    found = {one["id"]: one for one in await free.all(RISKY, version)}
    assert found.keys() == free.analysis.risky.keys() | {free.confirmed.service_principal_id}
    assert {(one["riskLevel"], one["riskDetail"]) for one in found.values()} == {("hidden", "hidden")}
    assert {one["riskState"] for one in found.values()} >= {"atRisk", "confirmedCompromised"}, "that there is a finding"
    for id, expected in free.analysis.risky.items():
        assert found[id]["displayName"] == expected["displayName"]
        one = (await free.get(f"{RISKY}/{id}", version)).json()
        assert (one["riskLevel"], one["riskDetail"]) == ("hidden", "hidden")


@pytest.mark.parametrize("version", ["v1.0", "beta"])
async def test_free_hides_what_was_found(free: Setting, version: str):
    for one in await free.all(f"{DETECTIONS}?$top=500", version):
        assert (one["riskLevel"], one["riskDetail"]) == ("hidden", "hidden")
        is_admins = one["servicePrincipalId"] == free.confirmed.service_principal_id
        assert one["riskEventType"] == (ADMIN_CONFIRMED if is_admins else "generic")
        single = (await free.get(f"{DETECTIONS}/{one['id']}", version)).json()
        assert single["riskEventType"] == one["riskEventType"] and single["riskLevel"] == "hidden"
        text = str(single)
        for word in ["suspiciousSignins", "anomalousServicePrincipalActivity", "UnfamiliarIP", "'high'", "Evidence"]:
            assert word not in text


async def test_free_hides_the_history(free: Setting):
    for id in free.analysis.risky:
        for one in await free.all(f"{RISKY}/{id}/history"):
            assert (one["riskLevel"], one["riskDetail"]) == ("hidden", "hidden")
            assert one["activity"] == {"detail": "hidden", "riskEventTypes": []}


async def test_the_client_reads_hidden_values(free: Setting):
    for one in await listed(free.graph.identity_protection.risky_service_principals):
        assert (one.risk_level.value, one.risk_detail.value) == ("hidden", "hidden")


@pytest.mark.parametrize(
    "query",
    [
        f"{RISKY}?$filter=riskLevel eq 'high'",
        f"{RISKY}?$filter=not(riskLevel eq 'high')",
        f"{RISKY}?$filter=riskState eq 'atRisk' and riskLevel in ('low','medium')",
        f"{RISKY}?$filter=riskDetail eq 'none'",
        f"{RISKY}?$orderby=riskLevel",
        f"{RISKY}?$orderby=displayName,riskLevel desc",
        f"{RISKY}/$count?$filter=riskLevel eq 'high'",
        f"{RISKY}?$count=true&$top=1&$filter=riskLevel eq 'high'",
        f"{DETECTIONS}?$filter=riskEventType eq 'suspiciousSignins'",
        f"{DETECTIONS}?$filter=riskLevel ne 'low'",
        f"{DETECTIONS}?$filter=contains(additionalInfo, 'UnfamiliarIP')",
        f"{DETECTIONS}?$orderby=riskLevel",
        f"{DETECTIONS}?$orderby=riskEventType",
        f"{RISKY}/ID/history?$filter=riskLevel eq 'high'",
        f"{RISKY}/ID/history?$filter=activity/detail eq 'none'",
    ],
)
async def test_free_tells_nothing_by_a_filter(free: Setting, query: str):
    response = await free.get(query.replace("ID", next(iter(free.analysis.risky))))
    assert (response.status_code, response.json()["error"].get("code")) == (403, NOT_PREMIUM), response.text


@pytest.mark.parametrize(
    "query", [f"{DETECTIONS}?$orderby=additionalInfo", f"{RISKY}/ID/history?$orderby=activity/detail"]
)
async def test_nobody_sorts_by_what_else_is_hidden(free: Setting, query: str):
    assert (await free.get(query.replace("ID", next(iter(free.analysis.risky))))).status_code == 400


@pytest.mark.parametrize(
    "query", [f"{RISKY}?$filter=riskState eq 'atRisk'", f"{RISKY}?$orderby=riskLastUpdatedDateTime desc",
              f"{RISKY}?$select=id,riskLevel", f"{DETECTIONS}?$filter=activityDateTime ge 2026-03-01T00:00:00Z"],
)
async def test_free_has_everything_else(free: Setting, query: str):
    found = await free.all(query)
    assert found
    assert all(one.get("riskLevel", "hidden") == "hidden" for one in found)


async def test_free_decides_all_the_same(free: Setting):
    workload = await graphs.new_workload(free.graph, "decided")
    await graphs.confirm(free.graph, workload.service_principal_id)
    await graphs.dismiss(free.graph, workload.service_principal_id)
    found = (await free.get(f"{RISKY}/{workload.service_principal_id}")).json()
    assert (found["riskState"], found["riskLevel"]) == ("dismissed", "hidden")


async def test_free_tells_nothing_in_the_log(free: Setting):
    some = next(id for id, one in free.analysis.open.items() if one["riskLevel"] == "high")
    await graphs.dismiss(free.graph, some)
    [record] = await free.all(
        f"/auditLogs/directoryAudits?$filter=targetResources/any(t: t/id eq '{some}')"
    )
    assert "high" not in str(record["targetResources"])


async def test_free_in_a_batch(free: Setting):
    requests = [
        {"id": "1", "method": "GET", "url": RISKY}, {"id": "2", "method": "GET", "url": f"{RISKY}?$orderby=riskLevel"},
    ]
    answer = (await free.http.post("/v1.0/$batch", json={"requests": requests})).json()["responses"]
    by_id = {one["id"]: one for one in answer}
    assert {one["riskLevel"] for one in by_id["1"]["body"]["value"]} == {"hidden"}
    assert by_id["2"]["status"] == 403


async def test_free_has_no_licence(free: Setting):
    assert (await free.graph.subscribed_skus.get()).value == []


async def test_a_trial_shows_everything(setting: Setting):
    await setting.plan("--plan", "trial", "--trial-days", "7")
    until = (datetime.now(UTC) + timedelta(days=7)).date().isoformat()
    assert f"trial until {until}" in setting.server.done("tenant", "list")
    found = {one["id"]: one for one in await setting.all(RISKY)}
    assert {"high", "low"} <= {one["riskLevel"] for one in found.values()}
    assert await setting.all(f"{RISKY}?$filter=riskLevel eq 'high'")
    [sku] = (await setting.graph.subscribed_skus.get()).value
    assert sku.capability_status == "Enabled" and sku.sku_part_number == "Workload_Identities_Premium_CN"


async def test_a_trial_ends(setting: Setting):
    await setting.plan("--plan", "trial", "--trial-days", "0")
    assert {one["riskLevel"] for one in await setting.all(RISKY)} == {"hidden"}
    assert (await setting.get(f"{RISKY}?$filter=riskLevel eq 'high'")).status_code == 403
    [sku] = (await setting.graph.subscribed_skus.get()).value
    assert sku.capability_status == "Suspended"


async def test_premium_shows_everything_again(setting: Setting):
    await setting.plan("--plan", "premium")
    found = {one["id"]: one for one in await setting.all(f"{DETECTIONS}?$top=500")}
    for id, expected in setting.analysis.detections.items():
        assert found[id]["riskEventType"] == expected["riskEventType"]
        assert found[id]["riskLevel"] == expected["riskLevel"], "what was hidden was kept"
    [sku] = (await setting.graph.subscribed_skus.get()).value
    assert sku.capability_status == "Enabled"


@pytest.mark.parametrize(
    "words",
    [
        ["--tenant", "nowhere.example", "--plan", "free"], ["--tenant", "contoso.example", "--plan", "gold"],
        ["--plan", "free"],
        ["--tenant", "contoso.example", "--plan", "trial", "--trial-days", "-1"],
    ],
)
def test_plans_that_are_none(setting: Setting, words: list[str]):
    done = setting.server.run("tenant", "update", *words)
    assert done.returncode == 2 and done.stderr.strip() and "panicked" not in done.stderr
