"""`analyze --into`: what an analysis of logs finds is what the server's API says."""

import asyncio
import json
import shutil
import subprocess
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgraph import GraphServiceClient

from support import graph as graphs
from support.access import opened
from support.findings import Analysis, analysis
from support.graph import listed
from support.receiver import RISK_LEVEL_CHANGE, SESSION_REVOKED
from support.server import Server, own_server
from support.signals import signalling


@dataclass
class Loaded:
    server: Server
    graph: GraphServiceClient
    analysis: Analysis

    def load(self, *logs: Path) -> subprocess.CompletedProcess:
        done = self.server.analyze(*map(str, logs or [self.analysis.logs]), "--into", str(self.server.data))
        assert done.returncode == 0, done.stderr
        return done

    async def detections(self) -> dict[str, dict]:
        """Every property of every detection, as JSON says it."""
        found = await self.documents("/identityProtection/servicePrincipalRiskDetections?$top=500")
        return {one["id"]: one for one in found}

    async def risky(self) -> dict[str, dict]:
        found = await self.documents("/identityProtection/riskyServicePrincipals?$top=500")
        return {one["id"]: one for one in found}

    async def documents(self, path: str) -> list[dict]:
        adapter = self.graph.request_adapter
        token = await adapter._authentication_provider.access_token_provider.get_authorization_token(adapter.base_url)
        response = await adapter._http_client.get(
            f"{adapter.base_url}{path}", headers={"Authorization": f"Bearer {token}"}
        )
        assert response.status_code == 200, response.text
        return response.json()["value"]


@pytest.fixture
async def loaded(database: str) -> AsyncIterator[Loaded]:
    """A server whose tenant is that of the logs, with the findings in it."""
    found = analysis()
    with own_server(database, tenant_id=found.tenant_id, second=False) as server:
        assert server.contoso.id == found.tenant_id
        server.configuration = "drain_seconds = 1\n"
        server.start()
        admin = server.contoso.admin
        async with graphs.signed_in(server, server.contoso, admin.client_id, admin.secret) as graph:
            loaded = Loaded(server, graph, found)
            loaded.load()
            yield loaded


def instant(value: datetime | str) -> datetime:
    value = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return value.astimezone(UTC)


async def test_the_risky_service_principals(loaded: Loaded):
    found = {one.id: one for one in await listed(loaded.graph.identity_protection.risky_service_principals)}
    assert found.keys() == loaded.analysis.risky.keys()
    for id, expected in loaded.analysis.open.items():
        one = found[id]
        assert one.app_id == expected["appId"]
        assert one.display_name == expected["displayName"]
        assert one.risk_level.value == expected["riskLevel"], id
        assert one.risk_state.value == expected["riskState"] == "atRisk"
        assert one.risk_detail.value == expected["riskDetail"] == "none"
        assert one.service_principal_type == expected["servicePrincipalType"]
        assert one.is_enabled == expected["isEnabled"] and one.is_processing is False


async def test_what_the_logs_show_as_remediated_is_no_risk(loaded: Loaded):
    """One identity of the simulation lost its stolen credential: it is no risk any more."""
    remediated = {id: one for id, one in loaded.analysis.risky.items() if one["riskState"] == "remediated"}
    assert remediated
    found = await loaded.risky()
    for id, expected in remediated.items():
        assert (found[id]["riskState"], found[id]["riskLevel"]) == ("remediated", expected["riskLevel"])


async def test_when_a_risk_changed(loaded: Loaded):
    found = await loaded.risky()
    for id, expected in loaded.analysis.risky.items():
        changed = found[id]["riskLastUpdatedDateTime"]
        assert instant(changed) == instant(expected["riskLastUpdatedDateTime"]), id


async def test_the_detections(loaded: Loaded):
    builder = loaded.graph.identity_protection.service_principal_risk_detections
    found = {one.id: one for one in await listed(builder)}
    assert found.keys() == loaded.analysis.detections.keys()
    for id, expected in loaded.analysis.detections.items():
        one = found[id]
        assert one.risk_level.value == expected["riskLevel"]
        assert one.risk_event_type == expected["riskEventType"]
        assert one.risk_state.value == expected["riskState"]
        assert one.service_principal_id == expected["servicePrincipalId"]
        assert one.service_principal_display_name == expected["servicePrincipalDisplayName"]
        assert one.detection_timing_type.value == expected["detectionTimingType"]
        assert one.ip_address == expected["ipAddress"]
        assert (one.key_ids or []) == expected["keyIds"]
        assert one.additional_info == expected["additionalInfo"]
        assert instant(one.activity_date_time) == instant(expected["activityDateTime"])


async def test_nothing_is_left_out(loaded: Loaded):
    """Each property of the file is in the answer."""
    found = await loaded.detections()
    for id, expected in loaded.analysis.detections.items():
        differing = {name for name, value in expected.items() if found[id].get(name) != value}
        times = {"activityDateTime", "detectedDateTime", "lastUpdatedDateTime"}
        assert differing <= times, {name: (expected[name], found[id].get(name)) for name in differing}


async def test_they_can_be_asked_for(loaded: Loaded):
    builder = loaded.graph.identity_protection.service_principal_risk_detections
    high = [one for one in loaded.analysis.detections.values() if one["riskLevel"] == "high"]
    found = await listed(builder, filter="riskLevel eq 'high'")
    assert {one.id for one in found} == {one["id"] for one in high}
    some = next(iter(loaded.analysis.detections.values()))
    found = await listed(builder, filter=f"servicePrincipalId eq '{some['servicePrincipalId']}'")
    assert some["id"] in {one.id for one in found}
    assert (await builder.by_service_principal_risk_detection_id(some["id"]).get()).id == some["id"]


async def test_the_history_begins_with_the_findings(loaded: Loaded):
    for id, expected in loaded.analysis.open.items():
        item = loaded.graph.identity_protection.risky_service_principals.by_risky_service_principal_id(id)
        [change] = await listed(item.history)
        types = {
            one["riskEventType"] for one in loaded.analysis.detections.values() if one["servicePrincipalId"] == id
        }
        assert set(change.activity.risk_event_types) == types
        assert change.risk_level.value == expected["riskLevel"]
        assert change.initiated_by is None


async def test_loading_again_changes_nothing(loaded: Loaded):
    before = await loaded.risky(), await loaded.detections()
    loaded.load()
    assert (await loaded.risky(), await loaded.detections()) == before
    for id in loaded.analysis.risky:
        item = loaded.graph.identity_protection.risky_service_principals.by_risky_service_principal_id(id)
        assert len(await listed(item.history)) == 1


async def test_what_an_administrator_dismissed_stays_dismissed(loaded: Loaded):
    [dismissed, confirmed, *_] = loaded.analysis.risky
    await graphs.dismiss(loaded.graph, dismissed)
    await graphs.confirm(loaded.graph, confirmed)
    before = await loaded.risky(), await loaded.detections()
    assert before[0][dismissed]["riskState"] == "dismissed"
    loaded.load()
    assert (await loaded.risky(), await loaded.detections()) == before


async def test_logs_grow(loaded: Loaded, tmp_path: Path):
    """A first half, then everything: in the end what one analysis of everything says."""
    found = loaded.analysis
    with own_server("sqlite", tenant_id=found.tenant_id, second=False) as server:
        for until in ["2026-03-25", "2026-04-02"]:
            done = server.analyze(str(found.logs), "--until", until, "--into", str(server.data))
            assert done.returncode == 0, done.stderr
        done = server.analyze(str(found.logs), "--into", str(server.data))
        assert done.returncode == 0, done.stderr
        server.start()
        admin = server.contoso.admin
        async with graphs.signed_in(server, server.contoso, admin.client_id, admin.secret) as graph:
            grown = Loaded(server, graph, found)
            risky, detections = await grown.risky(), await grown.detections()
    assert risky.keys() >= found.risky.keys()
    for id, expected in found.risky.items():
        assert (risky[id]["riskLevel"], risky[id]["riskState"]) == (expected["riskLevel"], expected["riskState"])
    assert detections.keys() >= found.detections.keys()


async def test_an_identity_of_the_directory_keeps_its_name_there(loaded: Loaded, tmp_path: Path):
    """Logs tell what it was called then."""
    workload = await graphs.new_workload(loaded.graph, "renamed")
    some = next(iter(loaded.analysis.risky))
    logs = tmp_path / "logs"
    shutil.copytree(loaded.analysis.logs, logs)
    for file in logs.iterdir():
        file.write_text(file.read_text().replace(some, workload.service_principal_id))
    loaded.load(logs)
    found = (await loaded.risky())[workload.service_principal_id]
    assert (found["displayName"], found["appId"]) == (workload.name, workload.app_id)
    assert found["riskState"] == "atRisk"


async def test_it_says_what_it_did(loaded: Loaded):
    done = loaded.load()
    assert str(len(loaded.analysis.detections)) in done.stdout + done.stderr


def test_json_stays_json(database: str):
    found = analysis()
    with own_server(database, tenant_id=found.tenant_id, second=False) as server:
        done = server.analyze(str(found.logs), "--json", "--into", str(server.data))
        assert done.returncode == 0, done.stderr
        assert {one["id"] for one in json.loads(done.stdout)["riskyServicePrincipals"]} == found.risky.keys()


def test_a_tenant_that_the_server_does_not_have(database: str):
    found = analysis()
    with own_server(database, second=False) as server:
        done = server.analyze(str(found.logs), "--into", str(server.data))
        assert done.returncode == 2
        assert f"countersign tenant create --tenant-id {found.tenant_id}" in done.stderr
        assert "panicked" not in done.stderr
        server.make_tenant("Logged", "--tenant-id", found.tenant_id)
        done = server.analyze(str(found.logs), "--into", str(server.data))
        assert done.returncode == 0, "the advice helps"


def test_a_folder_that_is_none(tmp_path: Path, database: str):
    if database != "sqlite":
        pytest.skip("one database is enough")
    done = Server(tmp_path).analyze(str(analysis().logs), "--into", str(tmp_path / "nowhere"))
    assert done.returncode == 2
    assert "countersign init" in done.stderr
    assert not (tmp_path / "nowhere").exists()


async def test_several_tenants_at_once(database: str, tmp_path: Path):
    """All of them or none."""
    found = analysis()
    other = str(uuid.uuid4())
    logs = tmp_path / "logs"
    shutil.copytree(found.logs, logs / "one")
    shutil.copytree(found.logs, logs / "two")
    for file in (logs / "two").iterdir():
        file.write_text(file.read_text().replace(found.tenant_id, other))
    with own_server(database, tenant_id=found.tenant_id, second=False) as server:
        done = server.analyze(str(logs), "--into", str(server.data))
        assert done.returncode == 2 and other in done.stderr
        server.start()
        admin = server.contoso.admin
        async with graphs.signed_in(server, server.contoso, admin.client_id, admin.secret) as graph:
            assert await listed(graph.identity_protection.risky_service_principals) == []


async def test_receivers_are_told_of_what_is_loaded(database: str):
    """Also while the server runs beside the command that loads."""
    found = analysis()
    with own_server(database, tenant_id=found.tenant_id, second=False) as server:
        server.start()
        async with opened(server, server.contoso) as setting, signalling(setting) as signals:
            stream = await signals.stream(RISK_LEVEL_CHANGE, SESSION_REVOKED)
            done = server.analyze(str(found.logs), "--into", str(server.data))
            assert done.returncode == 0, done.stderr
            response = await setting.http.get("/v1.0/identityProtection/riskyServicePrincipals?$top=500")
            risky = {one["id"]: one for one in response.json()["value"] if one["riskState"] == "atRisk"}
            assert risky
            for id, one in risky.items():
                [event] = await stream.expect(id, RISK_LEVEL_CHANGE)
                assert event.payload["current_level"] == one["riskLevel"].upper()
                assert event.payload["initiating_entity"] == "system"
                assert event.payload["risk_reason"]
            # As our own API ends tokens at high risk: of those that can sign in here at all.
            known = await setting.http.get("/v1.0/servicePrincipals?$top=999&$select=id")
            known = {one["id"] for one in known.json()["value"]}
            for id in known & {id for id, one in risky.items() if one["riskLevel"] == "high"}:
                await stream.expect(id, SESSION_REVOKED)
            again = server.analyze(str(found.logs), "--into", str(server.data))
            assert again.returncode == 0, again.stderr
            await asyncio.sleep(2)
            assert all(len(stream.about(id, RISK_LEVEL_CHANGE)) == 1 for id in risky), "the same again is no news"
