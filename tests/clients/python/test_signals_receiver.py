"""OpenID Shared Signals, the other direction: what others know of a workload becomes a finding.

What the reference leaves open (where transmitters are registered, what a level of somebody else means here) stands in
docs/shared-signals.md.
"""

import asyncio
import contextlib
import json
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from support import graph as graphs
from support.access import Setting, opened, own_setting
from support.challenge import challenge
from support.graph import Workload
from support.keys import Key
from support.receiver import (
    CREDENTIAL_COMPROMISE, RISC, RISK_LEVEL_CHANGE, SESSION_REVOKED, STREAM_UPDATED, VERIFICATION,
)
from support.server import Tenant, own_server
from support.signals import signalling
from support.transmitter import Transmitter


def transmitters(tenant: Tenant) -> str:
    return f"/{tenant.id}/signals/transmitters"


@dataclass
class Hearing:
    """A server that listens to a transmitter."""

    setting: Setting
    transmitter: Transmitter
    # What the server said when the transmitter was registered.
    registration: dict

    def subject(self, workload: Workload, format: str = "complex") -> dict:
        tenant = self.setting.tenant
        issuer = f"{self.setting.server.authority}/{tenant.id}/v2.0"
        match format:
            case "iss_sub":
                return {"format": "iss_sub", "iss": issuer, "sub": workload.service_principal_id}
            case "iss_sub of the application":
                return {"format": "iss_sub", "iss": issuer, "sub": workload.app_id}
            case _:
                return {
                    "format": "complex",
                    "application": {"format": "iss_sub", "iss": issuer, "sub": workload.service_principal_id},
                    "tenant": {"format": "opaque", "id": tenant.id},
                }

    def event(self, type: str, payload: dict, subject: dict, **more) -> str:
        return self.transmitter.event(type, payload, subject, self.registration["audience"], **more)

    async def push(self, text: str, url: str | None = None, **headers: str) -> httpx.Response:
        own = {
            "Content-Type": "application/secevent+jwt", "Accept": "application/json",
            "Authorization": self.registration["authorization_header"],
        }
        own |= {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.setting.nobody.post(url or self.registration["endpoint_url"], content=text, headers=own)

    async def accepted(self, text: str) -> None:
        response = await self.push(text)
        assert (response.status_code, response.content) == (202, b""), response.text

    async def findings(self, workload: Workload, expected: int) -> list[dict]:
        async def look() -> list[dict]:
            response = await self.setting.http.get(
                "/v1.0/identityProtection/servicePrincipalRiskDetections",
                params={"$filter": f"servicePrincipalId eq '{workload.service_principal_id}'"},
            )
            return response.json()["value"]

        found = await graphs.eventually(look, lambda found: len(found) >= expected)
        assert len(found) == expected, found
        return found

    async def risk(self, workload: Workload) -> tuple[str, str] | None:
        """Level and state; none for who is not listed."""
        response = await self.setting.http.get(
            f"/v1.0/identityProtection/riskyServicePrincipals/{workload.service_principal_id}"
        )
        if response.status_code == 404:
            return None
        return response.json()["riskLevel"], response.json()["riskState"]

    async def becomes(self, workload: Workload, level: str, state: str) -> None:
        async def look() -> tuple[str, str] | None:
            return await self.risk(workload)

        found = await graphs.eventually(look, lambda found: found == (level, state))
        assert found == (level, state)


def leaked(**more: object) -> dict:
    return {
        "credential_type": "app", "event_timestamp": int(time.time()), "initiating_entity": "system",
        "reason_admin": {"en": "seen in a public repository"},
    } | more


def level(current: str, **more: object) -> dict:
    return {
        "principal": "APPLICATION", "current_level": current, "event_timestamp": int(time.time()),
        "risk_reason": "seen in a forum",
    } | more


@contextlib.asynccontextmanager
async def hearing_of(setting: Setting, tmp_path) -> AsyncIterator[Hearing]:
    transmitter = Transmitter(setting.server.issuers, tmp_path)
    try:
        response = await setting.http.post(
            transmitters(setting.tenant), json={"issuer": transmitter.url, "description": "leak scanner"}
        )
        assert response.status_code == 201, response.text
        yield Hearing(setting, transmitter, response.json())
    finally:
        transmitter.close()


@pytest.fixture(scope="module")
async def hearing(database: str, tmp_path_factory) -> AsyncIterator[Hearing]:
    async with own_setting(database) as setting:
        async with hearing_of(setting, tmp_path_factory.mktemp("transmitter")) as hearing:
            yield hearing


@pytest.fixture
async def workload(hearing: Hearing) -> Workload:
    return await hearing.setting.workload("payroll", "Application.Read.All")


# Who is listened to.


async def test_a_registration_says_what_the_transmitter_needs(hearing: Hearing):
    found, setting = hearing.registration, hearing.setting
    assert found["issuer"] == hearing.transmitter.url
    assert found["jwks_uri"] == f"{hearing.transmitter.url}/keys"
    assert found["endpoint_url"] == f"{setting.server.authority}/{setting.tenant.id}/signals/events"
    assert found["audience"] == found["endpoint_url"]
    assert found["authorization_header"].startswith("Bearer ") and len(found["authorization_header"]) > 40
    one = (await setting.http.get(f"{transmitters(setting.tenant)}/{found['id']}")).json()
    shown = {name: value for name, value in found.items() if name != "authorization_header"}
    assert one == shown, "the secret is told once"
    all = (await setting.http.get(transmitters(setting.tenant))).json()["value"]
    assert shown in all


async def test_who_may_register_one(hearing: Hearing):
    setting, path = hearing.setting, transmitters(hearing.setting.tenant)
    body = {"issuer": hearing.transmitter.url}
    assert (await setting.nobody.post(path, json=body)).status_code == 401
    for permission, status in [("Application.Read.All", 403), ("SharedSignals.Read.All", 403)]:
        caller = await setting.workload("caller", permission)
        bearer = {"Authorization": f"Bearer {await setting.token(caller, capable=False)}"}
        assert (await setting.nobody.post(path, json=body, headers=bearer)).status_code == status


@pytest.mark.parametrize(
    "issuer", ["http://issuer.example", "issuer.example", "https://issuer.example/?tenant=1", "https://localhost:1", ""]
)
async def test_somebody_who_cannot_be_listened_to(hearing: Hearing, issuer: str):
    response = await hearing.setting.http.post(transmitters(hearing.setting.tenant), json={"issuer": issuer})
    assert response.status_code == 400, response.text
    assert response.json()["error"]["message"]


async def test_somebody_who_says_that_he_is_another(hearing: Hearing, tmp_path):
    class Impostor(Transmitter):
        def documents(self) -> dict[str, dict]:
            documents = super().documents()
            documents["/.well-known/ssf-configuration"]["issuer"] = hearing.transmitter.url
            return documents

    impostor = Impostor(hearing.setting.server.issuers, tmp_path)
    try:
        response = await hearing.setting.http.post(
            transmitters(hearing.setting.tenant), json={"issuer": impostor.url}
        )
        assert response.status_code == 400, response.text
    finally:
        impostor.close()


async def test_the_same_one_twice(hearing: Hearing):
    response = await hearing.setting.http.post(
        transmitters(hearing.setting.tenant), json={"issuer": hearing.transmitter.url}
    )
    assert response.status_code == 409, response.text


async def test_private_addresses_are_not_asked_unless_allowed(database: str, tmp_path):
    with own_server(database) as server:
        server.variables = {"COUNTERSIGN_OUTBOUND_ALLOW_PRIVATE": "false"}
        server.start()
        transmitter = Transmitter(server.issuers, tmp_path)
        try:
            async with opened(server, server.contoso) as setting:
                response = await setting.http.post(transmitters(setting.tenant), json={"issuer": transmitter.url})
                assert response.status_code == 400, response.text
                assert transmitter.requests == []
        finally:
            transmitter.close()


async def test_each_change_of_who_is_listened_to_is_recorded(hearing: Hearing, tmp_path):
    setting = hearing.setting
    async with hearing_of(setting, tmp_path) as other:
        id = other.registration["id"]
        assert (await setting.http.delete(f"{transmitters(setting.tenant)}/{id}")).status_code == 204
        for kind in ["Add", "Delete"]:
            [record] = await setting.audits(id, f"{kind} security event transmitter")
            assert record["loggedByService"] == "Shared Signals" and record["result"] == "success"
            assert other.registration["authorization_header"].split()[1] not in str(record)


# What is heard.


@pytest.mark.parametrize("format", ["complex", "iss_sub", "iss_sub of the application"])
async def test_a_leaked_credential_is_a_finding(hearing: Hearing, workload: Workload, format: str):
    at = int(time.time()) - 600
    payload = leaked(event_timestamp=at, key_id=workload.secret_id)
    await hearing.accepted(hearing.event(CREDENTIAL_COMPROMISE, payload, hearing.subject(workload, format)))
    [found] = await hearing.findings(workload, 1)
    assert found["riskEventType"] == "leakedCredentials"
    assert (found["riskLevel"], found["riskState"], found["riskDetail"]) == ("high", "atRisk", "none")
    assert found["detectionTimingType"] == "offline" and found["activity"] == "servicePrincipal"
    assert found["keyIds"] == [workload.secret_id]
    assert found["appId"] == workload.app_id
    assert datetime.fromisoformat(found["activityDateTime"]) == datetime.fromtimestamp(at, UTC)
    assert datetime.now(UTC) - datetime.fromisoformat(found["detectedDateTime"]) < timedelta(minutes=2)
    more = {entry["Key"]: entry["Value"] for entry in json.loads(found["additionalInfo"])}
    assert more["transmitter"] == hearing.transmitter.url
    assert more["reason"] == "seen in a public repository"
    await hearing.becomes(workload, "high", "atRisk")


async def test_a_key_that_the_workload_does_not_have_is_not_named(hearing: Hearing, workload: Workload):
    payload = leaked(key_id=str(uuid.uuid4()))
    await hearing.accepted(hearing.event(CREDENTIAL_COMPROMISE, payload, hearing.subject(workload)))
    [found] = await hearing.findings(workload, 1)
    assert found["keyIds"] == []


@pytest.mark.parametrize("current", ["LOW", "MEDIUM", "HIGH"])
async def test_a_level_of_somebody_else_is_a_finding(hearing: Hearing, workload: Workload, current: str):
    await hearing.accepted(hearing.event(RISK_LEVEL_CHANGE, level(current), hearing.subject(workload)))
    [found] = await hearing.findings(workload, 1)
    assert found["riskEventType"] == "investigationsThreatIntelligence"
    assert (found["riskLevel"], found["riskState"]) == (current.lower(), "atRisk")
    more = {entry["Key"]: entry["Value"] for entry in json.loads(found["additionalInfo"])}
    assert more["transmitter"] == hearing.transmitter.url and more["reason"] == "seen in a forum"
    await hearing.becomes(workload, current.lower(), "atRisk")


async def test_the_newest_level_of_a_transmitter_counts(hearing: Hearing, workload: Workload):
    """It speaks of the level, not of an incident: who was HIGH and is LOW now, is low."""
    now = int(time.time())
    for seconds, current in [(3, "HIGH"), (2, "LOW")]:
        payload = level(current, event_timestamp=now - seconds)
        await hearing.accepted(hearing.event(RISK_LEVEL_CHANGE, payload, hearing.subject(workload)))
    await hearing.becomes(workload, "low", "atRisk")
    states = {one["riskLevel"]: one["riskState"] for one in await hearing.findings(workload, 2)}
    assert states == {"high": "remediated", "low": "atRisk"}


async def test_an_older_level_that_comes_late_changes_nothing(hearing: Hearing, workload: Workload):
    now = int(time.time())
    for seconds, current in [(2, "LOW"), (3, "HIGH")]:
        payload = level(current, event_timestamp=now - seconds)
        await hearing.accepted(hearing.event(RISK_LEVEL_CHANGE, payload, hearing.subject(workload)))
    await hearing.findings(workload, 2)
    await hearing.becomes(workload, "low", "atRisk")


async def test_what_one_says_does_not_take_back_what_another_found(hearing: Hearing, workload: Workload):
    await graphs.confirm(hearing.setting.graph, workload.service_principal_id)
    await hearing.accepted(hearing.event(RISK_LEVEL_CHANGE, level("LOW"), hearing.subject(workload)))
    await hearing.findings(workload, 2)
    assert await hearing.risk(workload) == ("high", "confirmedCompromised")


async def test_the_same_event_again_is_the_same_finding(hearing: Hearing, workload: Workload):
    """Transmitters deliver at least once."""
    text = hearing.event(CREDENTIAL_COMPROMISE, leaked(), hearing.subject(workload))
    for _ in range(3):
        await hearing.accepted(text)
    await asyncio.gather(*(hearing.accepted(text) for _ in range(8)))
    await hearing.findings(workload, 1)
    await asyncio.sleep(0.5)
    await hearing.findings(workload, 1)


async def test_the_same_event_after_a_dismissal_raises_nothing(hearing: Hearing, workload: Workload):
    text = hearing.event(CREDENTIAL_COMPROMISE, leaked(), hearing.subject(workload))
    await hearing.accepted(text)
    await hearing.becomes(workload, "high", "atRisk")
    await graphs.dismiss(hearing.setting.graph, workload.service_principal_id)
    await hearing.accepted(text)
    await asyncio.sleep(0.5)
    assert await hearing.risk(workload) == ("none", "dismissed")


async def test_it_has_the_consequences_of_a_finding(hearing: Hearing, workload: Workload):
    """Within a second: the token is challenged, and a policy about high risk blocks."""
    setting = hearing.setting
    id = await setting.block(workload.service_principal_id, risk=["high"])
    text = await setting.token(workload)
    assert (await setting.call(text)).status_code == 200
    await hearing.accepted(hearing.event(CREDENTIAL_COMPROMISE, leaked(), hearing.subject(workload)))
    begun = time.monotonic()
    while (response := await setting.call(text)).status_code == 200:
        assert time.monotonic() - begun < 1, "the token is still good"
        await asyncio.sleep(0.02)
    challenge(response)
    refusal = await setting.ask(workload)
    assert refusal.json()["error_codes"] == [53003] and id in refusal.json()["claims"]


async def test_a_medium_level_does_not_end_tokens_that_no_policy_is_about(hearing: Hearing, workload: Workload):
    text = await hearing.setting.token(workload)
    await hearing.accepted(hearing.event(RISK_LEVEL_CHANGE, level("MEDIUM"), hearing.subject(workload)))
    await hearing.becomes(workload, "medium", "atRisk")
    assert (await hearing.setting.call(text)).status_code == 200


async def test_a_medium_level_ends_tokens_that_a_policy_is_about(hearing: Hearing, workload: Workload):
    """Continuous access evaluation, §4: any level that is covered by an enabled risk policy."""
    await hearing.setting.block(workload.service_principal_id, risk=["medium"])
    text = await hearing.setting.token(workload)
    await hearing.accepted(hearing.event(RISK_LEVEL_CHANGE, level("MEDIUM"), hearing.subject(workload)))
    await hearing.becomes(workload, "medium", "atRisk")
    challenge(await hearing.setting.call(text))
    assert (await hearing.setting.ask(workload)).json()["error_codes"] == [53003]


async def test_it_is_told_on(database: str, tmp_path):
    """To the receivers of our own streams, as one cause: the `txn` stays."""
    async with (
        own_setting(database) as setting, signalling(setting) as signals, hearing_of(setting, tmp_path) as hearing,
    ):
        workload, stream = await setting.workload("payroll"), await signals.stream()
        txn = uuid.uuid4().hex
        await hearing.accepted(hearing.event(CREDENTIAL_COMPROMISE, leaked(), hearing.subject(workload), txn=txn))
        types = [CREDENTIAL_COMPROMISE, RISK_LEVEL_CHANGE, SESSION_REVOKED]
        events = await stream.expect(workload.service_principal_id, *types)
        assert {one.claims["txn"] for one in events} == {txn}
        payloads = {one.type: one.payload for one in events}
        assert payloads[CREDENTIAL_COMPROMISE]["credential_type"] == "app"
        assert payloads[RISK_LEVEL_CHANGE]["current_level"] == "HIGH"
        assert payloads[RISK_LEVEL_CHANGE]["risk_reason"] == "leakedCredentials"
        assert payloads[RISK_LEVEL_CHANGE]["initiating_entity"] == "system"
        assert all(one.claims["iss"] == signals.configuration["issuer"] for one in events)


# What is heard and means nothing here.


@pytest.mark.parametrize(
    "case", ["another event", "verification", "stream updated", "a person", "somebody unknown", "another tenant's"]
)
async def test_what_concerns_nobody_here_is_accepted(hearing: Hearing, workload: Workload, case: str):
    """Accepted, so that the transmitter does not send it again and learns nothing of who is known here."""
    own, stream = hearing.subject(workload), {"format": "opaque", "id": "their stream"}
    match case:
        case "another event":
            text = hearing.event(RISC + "recovery-activated", {}, own)
        case "verification":
            text = hearing.event(VERIFICATION, {"state": "x"}, stream)
        case "stream updated":
            text = hearing.event(STREAM_UPDATED, {"status": "paused"}, stream)
        case "a person":
            person = {"format": "email", "email": "a@b.example"}
            text = hearing.event(RISK_LEVEL_CHANGE, level("HIGH", principal="USER"), person)
        case "somebody unknown":
            unknown = Workload("", "", "", str(uuid.uuid4()), "", "")
            text = hearing.event(CREDENTIAL_COMPROMISE, leaked(), hearing.subject(unknown))
        case _:
            own["tenant"] = {"format": "opaque", "id": hearing.setting.server.fabrikam.id}
            text = hearing.event(CREDENTIAL_COMPROMISE, leaked(), own)
    await hearing.accepted(text)
    await asyncio.sleep(0.3)
    await hearing.findings(workload, 0)


async def test_members_that_nobody_knows_are_passed_over(hearing: Hearing, workload: Workload):
    """§6."""
    text = hearing.event(CREDENTIAL_COMPROMISE, leaked(moon="full"), hearing.subject(workload), moon="full")
    await hearing.accepted(text)
    await hearing.findings(workload, 1)


# What is refused (§6, RFC 8935).


def assert_refused(response: httpx.Response, *errors: str) -> None:
    assert response.status_code == 400, response.text
    assert response.headers["content-type"].startswith("application/json")
    assert response.headers["content-language"]
    assert response.json()["err"] in errors, response.text
    assert response.json()["description"]


@pytest.mark.parametrize(
    ("case", "error"),
    [
        ("another key", "invalid_key"), ("a key id that is none", "invalid_key"), ("a broken signature", "invalid_key"),
        ("another issuer", "invalid_issuer"),
        ("another audience", "invalid_audience"), ("no audience", "invalid_audience"),
        ("an ordinary token", "invalid_request"), ("no token", "invalid_request"), ("nothing", "invalid_request"),
        ("no jti", "invalid_request"), ("no iat", "invalid_request"), ("no subject", "invalid_request"),
        ("no event", "invalid_request"), ("two events", "invalid_request"), ("of tomorrow", "invalid_request"),
        ("no kind of credential", "invalid_request"), ("a level that is none", "invalid_request"),
        ("a subject that is none", "invalid_request"),
    ],
)
async def test_what_is_no_event_of_this_transmitter(hearing: Hearing, workload: Workload, case: str, error: str):
    subject, type, payload = hearing.subject(workload), CREDENTIAL_COMPROMISE, leaked()
    match case:
        case "another key":
            text = hearing.event(type, payload, subject, key=Key("stranger"))
        case "a key id that is none":
            text = hearing.event(type, payload, subject, kid="unheard-of")
        case "a broken signature":
            head, body, signature = hearing.event(type, payload, subject).split(".")
            text = f"{head}.{body}.{signature[::-1]}"
        case "another issuer":
            text = hearing.event(type, payload, subject, iss="https://issuer.example")
        case "another audience":
            text = hearing.event(type, payload, subject, aud="https://receiver.example")
        case "no audience":
            text = hearing.event(type, payload, subject, aud=None)
        case "an ordinary token":
            text = hearing.event(type, payload, subject, typ="JWT")
        case "no token":
            text = "{}"
        case "nothing":
            text = ""
        case "no jti" | "no iat":
            text = hearing.event(type, payload, subject, **{case.split()[1]: None})
        case "no subject":
            text = hearing.event(type, payload, subject, sub_id=None)
        case "no event":
            text = hearing.event(type, payload, subject, events={})
        case "two events":
            text = hearing.event(type, payload, subject, events={type: payload, RISK_LEVEL_CHANGE: level("HIGH")})
        case "of tomorrow":
            text = hearing.event(type, payload, subject, iat=int(time.time()) + 86400)
        case "no kind of credential":
            text = hearing.event(type, {"event_timestamp": int(time.time())}, subject)
        case "a level that is none":
            text = hearing.event(RISK_LEVEL_CHANGE, level("NONE"), subject)
        case _:
            text = hearing.event(type, payload, {"format": "iss_sub", "iss": "https://issuer.example"})
    assert_refused(await hearing.push(text), error)
    await hearing.findings(workload, 0)
    assert await hearing.risk(workload) is None


async def test_a_token_without_signature(hearing: Hearing, workload: Workload):
    good = hearing.event(CREDENTIAL_COMPROMISE, leaked(), hearing.subject(workload))
    none = Key().sign({}, alg="none", header={"typ": "secevent+jwt", "kid": hearing.transmitter.kid}).split(".")[0]
    assert_refused(await hearing.push(f"{none}.{good.split('.')[1]}."), "invalid_request", "invalid_key")
    await hearing.findings(workload, 0)


@pytest.mark.parametrize("value", ["", "Bearer wrong", "Basic dXNlcjpwYXNz"])
async def test_a_transmitter_that_does_not_say_who_it_is(hearing: Hearing, workload: Workload, value: str):
    text = hearing.event(CREDENTIAL_COMPROMISE, leaked(), hearing.subject(workload))
    assert_refused(await hearing.push(text, Authorization=value), "authentication_failed")
    await hearing.findings(workload, 0)


async def test_another_kind_of_body(hearing: Hearing, workload: Workload):
    text = hearing.event(CREDENTIAL_COMPROMISE, leaked(), hearing.subject(workload))
    assert_refused(await hearing.push(text, Content_Type="application/json"), "invalid_request")
    assert (await hearing.push("x" * (1 << 20))).status_code == 413
    response = await hearing.setting.nobody.get(hearing.registration["endpoint_url"])
    assert response.status_code == 405


async def test_an_event_for_one_tenant_at_another(hearing: Hearing, workload: Workload):
    """A transmitter of Contoso is nobody to Fabrikam."""
    text = hearing.event(CREDENTIAL_COMPROMISE, leaked(), hearing.subject(workload))
    url = hearing.registration["endpoint_url"].replace(hearing.setting.tenant.id, hearing.setting.server.fabrikam.id)
    assert_refused(await hearing.push(text, url), "authentication_failed", "invalid_issuer", "invalid_audience")


async def test_one_that_is_not_listened_to_any_more(hearing: Hearing, workload: Workload, tmp_path):
    setting = hearing.setting
    async with hearing_of(setting, tmp_path) as other:
        await other.accepted(other.event(VERIFICATION, {}, {"format": "opaque", "id": "x"}))
        path = f"{transmitters(setting.tenant)}/{other.registration['id']}"
        assert (await setting.http.delete(path)).status_code == 204
        text = other.event(CREDENTIAL_COMPROMISE, leaked(), other.subject(workload))
        assert_refused(await other.push(text), "authentication_failed", "invalid_issuer")
        await hearing.findings(workload, 0)


# Keys.


async def test_a_new_key_is_fetched(hearing: Hearing, workload: Workload, tmp_path):
    async with hearing_of(hearing.setting, tmp_path) as other:
        await other.accepted(other.event(VERIFICATION, {}, {"format": "opaque", "id": "x"}))
        other.transmitter.key, other.transmitter.kid = Key("second"), "key-2"
        await other.accepted(other.event(CREDENTIAL_COMPROMISE, leaked(), other.subject(workload)))
        await hearing.findings(workload, 1)


async def test_strangers_cannot_make_the_server_ask_for_keys(hearing: Hearing, workload: Workload, tmp_path):
    """A key id that is not known is looked for once in a while, not each time."""
    async with hearing_of(hearing.setting, tmp_path) as other:
        before = other.transmitter.requests.count("/keys")
        for number in range(20):
            text = other.event(CREDENTIAL_COMPROMISE, leaked(), other.subject(workload), kid=f"unheard-of-{number}")
            assert_refused(await other.push(text), "invalid_key")
        assert other.transmitter.requests.count("/keys") - before <= 3


async def test_a_transmitter_whose_keys_cannot_be_asked_for_is_still_heard(
    hearing: Hearing, workload: Workload, tmp_path
):
    async with hearing_of(hearing.setting, tmp_path) as other:
        await other.accepted(other.event(VERIFICATION, {}, {"format": "opaque", "id": "x"}))
        other.transmitter.close()
        await other.accepted(other.event(CREDENTIAL_COMPROMISE, leaked(), other.subject(workload)))
        await hearing.findings(workload, 1)


async def test_what_was_accepted_survives_the_server(database: str, tmp_path):
    """202 after it is durable: kill -9 right behind the answer."""
    async with own_setting(database) as setting, hearing_of(setting, tmp_path) as hearing:
        workload = await setting.workload("payroll")
        await hearing.accepted(hearing.event(CREDENTIAL_COMPROMISE, leaked(), hearing.subject(workload)))
        setting.server.process.kill()
        setting.server.process.wait()
        setting.server.process = None
        setting.server.start()
        await hearing.findings(workload, 1)
        await hearing.becomes(workload, "high", "atRisk")
        text = hearing.event(RISK_LEVEL_CHANGE, level("LOW"), hearing.subject(workload))
        await hearing.accepted(text)
