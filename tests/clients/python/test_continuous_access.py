"""Continuous access evaluation: long tokens that end at once when something happens, and clients that cope with it.

Our own choices stand in docs/decisions/0011-conditional-access.md.
"""

import asyncio
import base64
import json
import shutil
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import msal
import pytest
from azure.core import AsyncPipelineClient
from azure.core.exceptions import ClientAuthenticationError
from azure.core.pipeline.policies import AsyncBearerTokenCredentialPolicy
from azure.core.rest import HttpRequest
from msgraph.generated.applications.item.remove_password.remove_password_post_request_body import (
    RemovePasswordPostRequestBody,
)
from msgraph.generated.models.application import Application
from msgraph.generated.models.federated_identity_credential import FederatedIdentityCredential
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.optional_claim import OptionalClaim
from msgraph.generated.models.optional_claims import OptionalClaims
from msgraph.generated.models.service_principal import ServicePrincipal

from support import graph as graphs
from support.access import (
    CAPABLE, ELSEWHERE, LOCATIONS, OFFICE, REPORT_ONLY, Program, Setting, from_address, ip_location, opened,
    own_setting,
)
from support.challenge import Challenge, assert_plain_refusal, challenge
from support.findings import analysis
from support.graph import Workload
from support.issuer import AUDIENCE, Issuer
from support.keys import ASSERTION_TYPE, Key
from support.server import GRAPH_SCOPE, own_server
from support.tokens import claims, form
from test_nodes import another_node

DAY = 24 * 60 * 60
SOON = 1.0  # seconds until another node must know

REVOKED = "TokenIssuedBeforeRevocationTimestamp"
OUTDATED = "TokenCreatedWithOutdatedPolicies"
BY_LOCATION = "LocationConditionEvaluationSatisfied"


@pytest.fixture(scope="module")
async def setting(database: str) -> AsyncIterator[Setting]:
    async with own_setting(database) as setting:
        yield setting


@pytest.fixture
async def workload(setting: Setting) -> Workload:
    """A workload that may call Graph."""
    return await setting.workload("payroll", "Application.Read.All")


def principal(setting: Setting, workload: Workload):
    return setting.graph.service_principals.by_service_principal_id(workload.service_principal_id)


def application(setting: Setting, workload: Workload):
    return setting.graph.applications.by_application_id(workload.object_id)


def challenged(response: httpx.Response, code: str) -> Challenge:
    """§3: the challenge, and the body that goes with it."""
    found = challenge(response)
    text = f"Continuous access evaluation resulted in challenge with result: InteractionRequired and code: {code}"
    assert found.description == text
    error = response.json()["error"]
    assert (error["code"], error["message"]) == ("InvalidAuthenticationToken", text)
    assert uuid.UUID(error["innerError"]["request-id"])
    return found


async def answer(
    setting: Setting, workload: Workload, found: Challenge, address: str = OFFICE, **fields: str
) -> httpx.Response:
    """Asks for the token that a challenge wants, as azure-identity does: its claims and the capability in one."""
    wanted = json.loads(json.dumps(found.claims))
    wanted["access_token"]["xms_cc"] = {"values": ["CP1"]}
    return await setting.ask(workload, address, claims=json.dumps(wanted), **fields)


# Long tokens (§1, §2).


async def test_a_client_that_can_be_told_gets_a_token_for_a_day(setting: Setting, workload: Workload):
    document = (await setting.ask(workload, claims=CAPABLE)).json()
    assert DAY - 60 <= document["expires_in"] <= DAY
    assert document["ext_expires_in"] >= document["expires_in"]
    # The clients renew after half the time, as long as the old one still serves.
    assert abs(document["refresh_in"] - document["expires_in"] / 2) <= 60
    found = claims(document["access_token"])
    assert found["xms_cc"] == ["cp1"]
    assert abs(found["exp"] - time.time() - DAY) < 120


async def test_another_client_does_not(setting: Setting, workload: Workload):
    document = (await setting.ask(workload)).json()
    assert 3000 <= document["expires_in"] <= 5400
    assert "refresh_in" not in document
    assert "xms_cc" not in claims(document["access_token"])


@pytest.mark.parametrize(
    ("values", "is_capable"), [(["cp1"], True), (["CP1"], True), (["cp2", "Cp1"], True), (["cp2"], False), ([], False)]
)
async def test_the_capability_in_any_case(setting: Setting, workload: Workload, values: list[str], is_capable: bool):
    wanted = json.dumps({"access_token": {"xms_cc": {"values": values}}})
    document = (await setting.ask(workload, claims=wanted)).json()
    assert (document["expires_in"] > 2 * 3600) is is_capable
    assert ("xms_cc" in claims(document["access_token"])) is is_capable


async def test_the_endpoint_of_version_1(setting: Setting, workload: Workload):
    document = (await setting.ask(workload, version="v1.0", claims=CAPABLE)).json()
    assert DAY - 60 <= int(document["expires_in"]) <= DAY
    assert claims(document["access_token"])["xms_cc"] == ["cp1"]


@pytest.mark.parametrize("asks", [True, False])
async def test_a_resource_gets_long_tokens_when_it_asks_for_the_claim(setting: Setting, workload: Workload, asks: bool):
    """§2: its `optionalClaims.accessToken` name `xms_cc`. Only then can it tell who is to be challenged."""
    wanted = OptionalClaims(access_token=[OptionalClaim(name="xms_cc", additional_properties=[], essential=False)])
    api = await graphs.new_application(
        setting.graph, "api", sign_in_audience="AzureADMyOrg", **({"optional_claims": wanted} if asks else {})
    )
    await graphs.new_service_principal(setting.graph, api)
    document = (await setting.ask(workload, claims=CAPABLE, scope=f"{api.app_id}/.default")).json()
    assert ("xms_cc" in claims(document["access_token"])) is asks
    assert (document["expires_in"] > 2 * 3600) is asks


async def test_an_application_of_several_tenants_gets_short_ones(setting: Setting):
    """§1: out of scope."""
    saas = await setting.workload("saas", sign_in_audience="AzureADMultipleOrgs")
    assert (await setting.ask(saas, claims=CAPABLE)).json()["expires_in"] <= 5400


@pytest.mark.parametrize("is_capable", [True, False])
async def test_the_record_says_which_kind_of_token_it_was(setting: Setting, workload: Workload, is_capable: bool):
    await setting.token(workload, capable=is_capable)
    [record] = await setting.sign_ins(workload, 1)
    details = {one["key"]: one["value"] for one in record["authenticationProcessingDetails"]}
    assert details["Is CAE Token"] == str(is_capable)


# What ends a token at once (§4). Each returns the code that the challenge tells, and the numbers with which the token
# endpoint then refuses; none when it gives a new token.


Event = Callable[[Setting, Workload], Awaitable[tuple[str, set[int]]]]


async def disabled(setting: Setting, workload: Workload):
    await principal(setting, workload).patch(ServicePrincipal(account_enabled=False))
    return REVOKED, {7000112}


async def deactivated(setting: Setting, workload: Workload):
    response = await setting.http.patch(f"/beta/applications/{workload.object_id}", json={"isDisabled": True})
    assert response.status_code == 204, response.text
    return REVOKED, {7000112}


async def deleted(setting: Setting, workload: Workload):
    await principal(setting, workload).delete()
    return REVOKED, {7000229, 700016}


async def application_deleted(setting: Setting, workload: Workload):
    await application(setting, workload).delete()
    return REVOKED, {700016}


async def deleted_for_ever(setting: Setting, workload: Workload):
    await application(setting, workload).delete()
    await setting.graph.directory.deleted_items.by_directory_object_id(workload.object_id).delete()
    return REVOKED, {700016}


async def confirmed_under_a_policy(setting: Setting, workload: Workload):
    await setting.block(workload.service_principal_id, risk=["high"])
    await graphs.confirm(setting.graph, workload.service_principal_id)
    return REVOKED, {53003}


async def confirmed(setting: Setting, workload: Workload):
    """Without a policy that blocks, whoever has the credential may come back; an older token is worth nothing."""
    await graphs.confirm(setting.graph, workload.service_principal_id)
    return REVOKED, set()


async def secret_removed(setting: Setting, workload: Workload):
    await application(setting, workload).remove_password.post(
        RemovePasswordPostRequestBody(key_id=uuid.UUID(workload.secret_id))
    )
    return REVOKED, {7000215}


async def policy_made(setting: Setting, workload: Workload):
    await setting.block(workload.service_principal_id)
    return OUTDATED, {53003}


async def policy_enforced(setting: Setting, workload: Workload):
    id = await setting.block(workload.service_principal_id, state=REPORT_ONLY)
    await setting.change(id, {"state": "enabled"})
    return OUTDATED, {53003}


async def policy_restored(setting: Setting, workload: Workload):
    id = await setting.block(workload.service_principal_id, state="disabled")
    await setting.change(id, {"state": "enabled"})
    await setting.delete(id)
    await setting.http.post(f"/v1.0/identity/conditionalAccess/deletedItems/policies/{id}/restore")
    return OUTDATED, {53003}


async def network_changed(setting: Setting, workload: Workload):
    office = await setting.create(ip_location(f"{ELSEWHERE}/32"), LOCATIONS)
    await setting.block(workload.service_principal_id, locations=[office["id"]])
    kind = {"@odata.type": "#microsoft.graph.ipNamedLocation"}
    await setting.change(office["id"], kind | {"ipRanges": ip_location(f"{OFFICE}/32")["ipRanges"]}, LOCATIONS)
    return OUTDATED, {53003}


async def network_no_longer_trusted(setting: Setting, workload: Workload):
    office = await setting.create(ip_location(f"{OFFICE}/32", trusted=True), LOCATIONS)
    await setting.block(workload.service_principal_id, locations=["All"], exclude_locations=["AllTrusted"])
    kind = {"@odata.type": "#microsoft.graph.ipNamedLocation"}
    await setting.change(office["id"], kind | {"isTrusted": False}, LOCATIONS)
    return OUTDATED, {53003}


def name_of(event: Event) -> str:
    return event.__name__


EVENTS: list[Event] = [
    disabled, deactivated, deleted, application_deleted, deleted_for_ever, confirmed_under_a_policy, confirmed,
    secret_removed, policy_made, policy_enforced, policy_restored, network_changed, network_no_longer_trusted,
]


@pytest.mark.parametrize("event", EVENTS, ids=name_of)
async def test_it_ends_the_token_at_once(setting: Setting, workload: Workload, event: Event):
    """The very next request is challenged, and the answer to the challenge is what the token endpoint now thinks."""
    token, other = await setting.token(workload), await setting.workload("other", "Application.Read.All")
    others = await setting.token(other)
    assert (await setting.call(token)).status_code == 200
    code, refusals = await event(setting, workload)
    found = challenged(await setting.call(token), code)
    assert time.time() - 60 < found.not_before <= time.time() + 1
    response = await answer(setting, workload, found)
    if refusals:
        assert response.status_code in (400, 401) and set(response.json()["error_codes"]) <= refusals, response.text
    else:
        assert (await setting.call(response.json()["access_token"])).status_code == 200
    challenged(await setting.call(token), code)
    if code == REVOKED and event is not confirmed_under_a_policy:
        assert (await setting.call(others)).status_code == 200, "nobody else is concerned"


@pytest.mark.parametrize("event", [disabled, deleted, application_deleted], ids=name_of)
async def test_a_client_that_cannot_be_told_is_refused(setting: Setting, workload: Workload, event: Event):
    """§2: no challenge for a token without `xms_cc`."""
    token = await setting.token(workload, capable=False)
    assert (await setting.call(token)).status_code == 200
    await event(setting, workload)
    assert_plain_refusal(await setting.call(token))


@pytest.mark.parametrize("event", [confirmed_under_a_policy, policy_made, network_changed], ids=name_of)
async def test_an_ordinary_token_outlives_a_new_policy(setting: Setting, workload: Workload, event: Event):
    """Conditional Access, §4: tokens without continuous evaluation are unaffected by a new policy or risk."""
    token = await setting.token(workload, capable=False)
    await event(setting, workload)
    assert (await setting.call(token)).status_code == 200
    assert (await setting.ask(workload)).json()["error_codes"] == [53003], "there will be no next one"


async def test_only_the_tokens_of_the_credential_that_was_removed(setting: Setting, workload: Workload):
    """§4: by the key that the token's sign-in used."""
    second = await graphs.new_secret(setting.graph, workload.object_id)
    by_first = await setting.token(workload)
    by_second = await setting.token(workload, client_secret=second.secret_text)
    await secret_removed(setting, workload)
    found = challenged(await setting.call(by_first), REVOKED)
    assert (await setting.call(by_second)).status_code == 200
    response = await answer(setting, workload, found, client_secret=second.secret_text)
    assert (await setting.call(response.json()["access_token"])).status_code == 200


async def test_a_certificate_that_was_removed(setting: Setting, workload: Workload):
    key = Key()
    await graphs.set_certificates(setting.graph, workload.object_id, key)

    async def ask() -> httpx.Response:
        assertion = key.assertion(workload.app_id, setting.server.token_endpoint(setting.tenant))
        fields = form(
            workload.app_id, client_assertion_type=ASSERTION_TYPE, client_assertion=assertion, claims=CAPABLE
        )
        return await setting.nobody.post(
            setting.server.token_endpoint(setting.tenant), data=fields, headers=from_address(OFFICE)
        )

    token, by_secret = (await ask()).json()["access_token"], await setting.token(workload)
    assert (await setting.call(token)).status_code == 200
    await graphs.set_certificates(setting.graph, workload.object_id, Key("its successor"))
    challenged(await setting.call(token), REVOKED)
    assert (await ask()).json()["error_codes"] == [700027]
    assert (await setting.call(by_secret)).status_code == 200


async def test_a_trust_that_was_removed(setting: Setting, workload: Workload, tmp_path):
    issuer = Issuer(setting.server.issuers, tmp_path)
    try:
        trusts = application(setting, workload).federated_identity_credentials
        trust = await trusts.post(
            FederatedIdentityCredential(name="job", issuer=issuer.url, subject="job", audiences=[AUDIENCE])
        )
        fields = form(
            workload.app_id, client_assertion_type=ASSERTION_TYPE, client_assertion=issuer.token("job"), claims=CAPABLE
        )
        response = await setting.nobody.post(
            setting.server.token_endpoint(setting.tenant), data=fields, headers=from_address(OFFICE)
        )
        token, by_secret = response.json()["access_token"], await setting.token(workload)
        await trusts.by_federated_identity_credential_id(trust.id).delete()
        challenged(await setting.call(token), REVOKED)
        assert (await setting.call(by_secret)).status_code == 200
    finally:
        issuer.close()


async def by_certificate(setting: Setting, workload: Workload, key: Key) -> httpx.Response:
    assertion = key.assertion(workload.app_id, setting.server.token_endpoint(setting.tenant))
    return await by_assertion(setting, workload, assertion)


async def by_assertion(setting: Setting, workload: Workload, assertion: str) -> httpx.Response:
    fields = form(workload.app_id, client_assertion_type=ASSERTION_TYPE, client_assertion=assertion, claims=CAPABLE)
    return await setting.nobody.post(
        setting.server.token_endpoint(setting.tenant), data=fields, headers=from_address(OFFICE)
    )


async def test_a_certificate_that_was_replaced_under_its_own_id(setting: Setting, workload: Workload):
    """A PATCH may name the id of a key and bring another key: whose holder is no longer let in has no good token."""
    key, successor = Key(), Key("its successor")
    [credential] = await graphs.set_certificates(setting.graph, workload.object_id, key)
    token = (await by_certificate(setting, workload, key)).json()["access_token"]
    assert (await setting.call(token)).status_code == 200
    replaced = {
        "keyId": str(credential.key_id), "type": "AsymmetricX509Cert", "usage": "Verify",
        "key": base64.b64encode(successor.der).decode(),
    }
    path = f"/v1.0/applications/{workload.object_id}"
    response = await setting.http.patch(path, json={"keyCredentials": [replaced]})
    if response.status_code == 204:
        assert (await by_certificate(setting, workload, key)).json()["error_codes"] == [700027]
        challenged(await setting.call(token), REVOKED)
        new = (await by_certificate(setting, workload, successor)).json()["access_token"]
        assert (await setting.call(new)).status_code == 200
    else:
        assert response.status_code == 400
        assert (await by_certificate(setting, workload, key)).status_code == 200


@pytest.mark.parametrize("change", [{"subject": "another job"}, {"issuer": "https://issuer.example"}], ids=str)
async def test_a_trust_that_was_changed(setting: Setting, workload: Workload, tmp_path, change: dict[str, str]):
    """Whom it was about before, it is not about any more."""
    issuer = Issuer(setting.server.issuers, tmp_path)
    try:
        trusts = application(setting, workload).federated_identity_credentials
        trust = await trusts.post(
            FederatedIdentityCredential(name="job", issuer=issuer.url, subject="job", audiences=[AUDIENCE])
        )
        token = (await by_assertion(setting, workload, issuer.token("job"))).json()["access_token"]
        assert (await setting.call(token)).status_code == 200
        path = f"/v1.0/applications/{workload.object_id}/federatedIdentityCredentials/{trust.id}"
        assert (await setting.http.patch(path, json={"description": "nothing else"})).status_code == 204
        assert (await setting.call(token)).status_code == 200
        assert (await setting.http.patch(path, json=change)).status_code == 204
        assert (await by_assertion(setting, workload, issuer.token("job"))).status_code == 401
        challenged(await setting.call(token), REVOKED)
    finally:
        issuer.close()


async def test_many_removals_make_none_forgotten(setting: Setting, workload: Workload):
    """Tokens live for a day, and a program may roll its secret more often than anybody thought of."""
    await graphs.new_secret(setting.graph, workload.object_id)
    token = await setting.token(workload)
    await secret_removed(setting, workload)
    challenged(await setting.call(token), REVOKED)
    path = f"/v1.0/applications/{workload.object_id}"
    for _ in range(201):
        secret = (await setting.http.post(f"{path}/addPassword", json={})).json()
        response = await setting.http.post(f"{path}/removePassword", json={"keyId": secret["keyId"]})
        assert response.status_code == 204, response.text
    challenged(await setting.call(token), REVOKED)


@pytest.mark.parametrize("is_capable", [True, False])
async def test_a_service_principal_that_is_made_anew_is_another_one(
    setting: Setting, workload: Workload, is_capable: bool
):
    """It has the same appId. Tokens of the one that was deleted carry its permissions, and are not for the new one."""
    token = await setting.token(workload, capable=is_capable)
    await principal(setting, workload).delete()
    await setting.graph.directory.deleted_items.by_directory_object_id(workload.service_principal_id).delete()
    response = await setting.http.post("/v1.0/servicePrincipals", json={"appId": workload.app_id})
    assert response.status_code == 201 and response.json()["id"] != workload.service_principal_id
    assert (await setting.call(token)).status_code == 401
    assert (await setting.call(await setting.token(workload))).status_code == 403, "it was granted nothing"


async def test_confirming_what_is_high_already(database: str, tmp_path: Path):
    """What was found is high, somebody looks into it and confirms it: the tokens of meanwhile end."""
    found = analysis()
    with own_server(database, tenant_id=found.tenant_id, second=False) as server:
        server.configuration = 'trusted_proxies = ["127.0.0.1"]\n'
        server.start()
        async with opened(server, server.contoso) as setting:
            workload = await setting.workload("stolen", "Application.Read.All")
            risky = next(id for id, one in found.open.items() if one["riskLevel"] == "high")
            logs = tmp_path / "logs"
            shutil.copytree(found.logs, logs)
            for file in logs.iterdir():
                file.write_text(file.read_text().replace(risky, workload.service_principal_id))
            before = await setting.token(workload)
            done = server.analyze(str(logs), "--into", str(server.data))
            assert done.returncode == 0, done.stderr
            ended = await graphs.eventually(lambda: setting.call(before), lambda answer: answer.status_code == 401)
            challenged(ended, REVOKED)
            meanwhile = await setting.token(workload)
            assert (await setting.call(meanwhile)).status_code == 200
            await graphs.confirm(setting.graph, workload.service_principal_id)
            challenged(await setting.call(meanwhile), REVOKED)


async def test_what_an_application_decides_is_not_set_beside_it(setting: Setting, workload: Workload):
    """`isDisabled` of a service principal mirrors its application. Set there, the next change of the application by its
    owner would switch it on again."""
    path = f"/beta/servicePrincipals/{workload.service_principal_id}"
    response = await setting.http.patch(path, json={"isDisabled": True})
    assert response.status_code == 400, "or it has to last"
    assert (await setting.ask(workload)).status_code == 200


# While it happens.


def batch_of(workload: Workload, last: dict) -> dict:
    """A batch that takes a while, and ends with what matters: all its parts came at the same time."""
    parts = [
        {"method": "PATCH", "url": f"/applications/{workload.object_id}", "body": {"notes": str(number)}}
        for number in range(19)
    ]
    return {
        "requests": [
            part | {"id": str(id), "headers": {"Content-Type": "application/json"}}
            | ({"dependsOn": [str(id - 1)]} if id else {})
            for id, part in enumerate([*parts, last])
        ]
    }


async def tokens_during(setting: Setting, workload: Workload, event: Callable[[], Awaitable[None]]) -> list[str]:
    """All tokens that eight programs got until the event was answered."""
    tokens: list[str] = []
    done = asyncio.Event()

    async def programs() -> None:
        while not done.is_set():
            tokens.append((await setting.ask(workload, claims=CAPABLE)).json().get("access_token"))

    async def happens() -> None:
        await asyncio.sleep(0.1)
        await event()
        done.set()

    await asyncio.gather(happens(), *(programs() for _ in range(8)))
    return [token for token in tokens if token]


async def test_no_token_of_a_secret_outlives_its_removal(setting: Setting, workload: Workload):
    """A removal takes its time, and tokens are issued until it is done. All were issued for the removed secret."""
    remove = {
        "method": "POST", "url": f"/applications/{workload.object_id}/removePassword",
        "body": {"keyId": workload.secret_id},
    }

    async def removed() -> None:
        response = await setting.http.post("/v1.0/$batch", json=batch_of(workload, remove))
        assert {part["status"] for part in response.json()["responses"]} == {204}

    tokens = await tokens_during(setting, workload, removed)
    assert tokens
    answers = [(await setting.call(token)).status_code for token in tokens]
    assert set(answers) == {401}, f"{answers.count(200)} of {len(answers)} are still good"


async def test_no_token_of_before_is_good_after_disabling_and_enabling(setting: Setting, workload: Workload):
    """The same with what is taken back: a token that was issued while the service principal was being disabled."""
    switch = {
        "method": "PATCH", "url": f"/servicePrincipals/{workload.service_principal_id}",
        "body": {"accountEnabled": False},
    }

    async def is_disabled() -> None:
        response = await setting.http.post("/v1.0/$batch", json=batch_of(workload, switch))
        assert {part["status"] for part in response.json()["responses"]} == {204}

    tokens = await tokens_during(setting, workload, is_disabled)
    assert tokens
    assert {(await setting.call(token)).status_code for token in tokens} == {401}
    await principal(setting, workload).patch(ServicePrincipal(account_enabled=True))
    answers = [(await setting.call(token)).status_code for token in tokens]
    assert set(answers) == {401}, f"{answers.count(200)} of {len(answers)} are good again"
    assert (await setting.call(await setting.token(workload))).status_code == 200


async def test_a_batch_ends_with_its_caller(setting: Setting):
    """Twenty parts take a while. Once its caller is disabled, and that was answered, no part does anything any more."""
    for _ in range(10):
        workload = await setting.workload("writer", "Application.ReadWrite.All")
        victim = await graphs.new_workload(setting.graph, "victim")
        headers = {"Authorization": f"Bearer {await setting.token(workload)}"} | from_address(OFFICE)
        batch = batch_of(victim, {"method": "GET", "url": "/organization"})
        running = asyncio.create_task(setting.nobody.post("/v1.0/$batch", json=batch, headers=headers))
        await asyncio.sleep(0.02)
        await disabled(setting, workload)
        path = f"/v1.0/applications/{victim.object_id}?$select=notes"
        then = (await setting.http.get(path)).json()["notes"]
        response = await running
        if then == "18" or response.status_code == 401:
            continue  # it was too fast, or too slow
        # The part that was under way may end.
        after = (await setting.http.get(path)).json()["notes"]
        assert int(after or -1) - int(then or -1) <= 1
        return
    pytest.fail("no batch was under way when its caller was disabled")


# What ends no token.


async def test_what_is_only_reported_changes_nothing(setting: Setting, workload: Workload):
    """A report-only policy, whatever is done with it, and a disabled one."""
    network = await setting.create(ip_location(f"{ELSEWHERE}/32"), LOCATIONS)
    token = await setting.token(workload)
    for state in [REPORT_ONLY, "disabled"]:
        id = await setting.block(workload.service_principal_id, state=state)
        assert (await setting.call(token)).status_code == 200
        await setting.change(id, {"conditions": {"locations": {"includeLocations": [network["id"]]}}})
        assert (await setting.call(token)).status_code == 200
        kind = {"@odata.type": "#microsoft.graph.ipNamedLocation"}
        await setting.change(network["id"], kind | {"ipRanges": ip_location(f"{OFFICE}/32")["ipRanges"]}, LOCATIONS)
        assert (await setting.call(token)).status_code == 200
        await setting.delete(id)
        assert (await setting.call(token)).status_code == 200


async def test_harmless_changes_of_the_workload(setting: Setting, workload: Workload):
    token = await setting.token(workload)
    await principal(setting, workload).patch(ServicePrincipal(account_enabled=True, notes="looked after"))
    await application(setting, workload).patch(Application(notes="looked after"))
    await graphs.new_secret(setting.graph, workload.object_id)
    await graphs.set_certificates(setting.graph, workload.object_id, Key())
    assert (await setting.call(token)).status_code == 200


async def test_a_policy_about_somebody_else_disturbs_no_program(setting: Setting, workload: Workload):
    """Whether its token is challenged or not: the client copes, and the program sees nothing of it."""
    other = await setting.workload("other")
    async with Program(setting, workload) as program:
        before = await program.call()
        id = await setting.block(other.service_principal_id)
        assert await program.call() == before
        await setting.delete(id)
        assert await program.call() == before


# Places (§1, §3).


async def test_a_token_that_travels(setting: Setting, workload: Workload):
    office = await setting.create(ip_location("198.51.100.0/24"), LOCATIONS)
    await setting.block(workload.service_principal_id, locations=["All"], exclude_locations=[office["id"]])
    token = await setting.token(workload, OFFICE)
    assert (await setting.call(token, OFFICE)).status_code == 200
    found = challenged(await setting.call(token, ELSEWHERE), BY_LOCATION)
    assert found.claims["access_token"]["xms_rp_ipaddr"] == {"value": ELSEWHERE}
    response = await answer(setting, workload, found, ELSEWHERE)
    assert response.json()["error_codes"] == [53003]
    # Strictly: who asks for a token from an allowed address for use from another one gets none.
    response = await answer(setting, workload, found, OFFICE)
    assert response.json()["error_codes"] == [53003]
    assert (await setting.call(token, OFFICE)).status_code == 200, "at home it is as good as before"
    assert (await setting.call(token, "198.51.100.200")).status_code == 200


async def test_where_no_policy_speaks_of_places_tokens_travel(setting: Setting, workload: Workload):
    token = await setting.token(workload, OFFICE)
    assert (await setting.call(token, ELSEWHERE)).status_code == 200


async def test_a_program_whose_machine_moves(setting: Setting, workload: Workload):
    office = await setting.create(ip_location("198.51.100.0/24"), LOCATIONS)
    await setting.block(workload.service_principal_id, locations=["All"], exclude_locations=[office["id"]])
    async with Program(setting, workload, OFFICE) as program:
        assert await program.call()
        program.move(ELSEWHERE)
        with pytest.raises(ClientAuthenticationError, match="AADSTS53003"):
            await program.call()
        program.move("198.51.100.99")
        assert await program.call()


# Microsoft's clients (§3, and the reference on real clients §6).


@pytest.mark.parametrize("event", [disabled, deleted, confirmed_under_a_policy, policy_made], ids=name_of)
async def test_the_program_is_told_why(setting: Setting, workload: Workload, event: Event):
    """msgraph-sdk and azure-identity answer the challenge by themselves; what the program sees is the refusal."""
    async with Program(setting, workload) as program:
        assert await program.call()
        _, refusals = await event(setting, workload)
        with pytest.raises(ClientAuthenticationError) as error:
            await program.call()
        assert any(f"AADSTS{number}" in str(error.value) for number in refusals)


async def test_the_program_sees_nothing_where_nothing_blocks(setting: Setting, workload: Workload):
    """Confirmed without a policy: one challenge, one new token, the call goes through."""
    async with Program(setting, workload) as program:
        assert await program.call()
        await confirmed(setting, workload)
        assert await program.call()
    assert [one["status"]["errorCode"] for one in await setting.sign_ins(workload, 2)] == [0, 0]


async def test_a_dismissal_restores_both(setting: Setting, workload: Workload):
    """The token endpoint and the API, for the same program; it asked once each time."""
    await setting.block(workload.service_principal_id, risk=["high"])
    async with Program(setting, workload) as program:
        assert await program.call()
        await graphs.confirm(setting.graph, workload.service_principal_id)
        with pytest.raises(ClientAuthenticationError, match="AADSTS53003"):
            await program.call()
        await graphs.dismiss(setting.graph, workload.service_principal_id)
        assert await program.call()
    assert [one["status"]["errorCode"] for one in await setting.sign_ins(workload, 3)] == [0, 53003, 0]


@pytest.mark.parametrize("how", ["enabled", "restored"])
async def test_who_comes_back_gets_new_tokens(setting: Setting, workload: Workload, how: str):
    """Tokens of before stay worthless: why it was disabled or deleted is not forgotten."""
    old = await setting.token(workload)
    async with Program(setting, workload) as program:
        assert await program.call()
        await (disabled if how == "enabled" else deleted)(setting, workload)
        with pytest.raises(ClientAuthenticationError):
            await program.call()
        if how == "enabled":
            await principal(setting, workload).patch(ServicePrincipal(account_enabled=True))
        else:
            items = setting.graph.directory.deleted_items
            await items.by_directory_object_id(workload.service_principal_id).restore.post()
        challenged(await setting.call(old), REVOKED)
        assert await program.call()


async def test_an_old_token_stays_worthless_after_a_dismissal(setting: Setting, workload: Workload):
    old = await setting.token(workload)
    await graphs.confirm(setting.graph, workload.service_principal_id)
    await graphs.dismiss(setting.graph, workload.service_principal_id)
    challenged(await setting.call(old), REVOKED)
    assert (await setting.call(await setting.token(workload))).status_code == 200


async def test_msal_passes_the_challenge_on(setting: Setting, workload: Workload):
    """A program on plain msal hands the claims over itself."""
    app = msal.ConfidentialClientApplication(
        workload.app_id, workload.secret, authority=f"{setting.server.authority}/{setting.tenant.id}",
        instance_discovery=False, verify=setting.server.ca, client_capabilities=["CP1"],
    )

    async def acquire(challenge_claims: dict | None = None) -> dict:
        wanted = json.dumps(challenge_claims) if challenge_claims else None
        return await asyncio.to_thread(app.acquire_token_for_client, [GRAPH_SCOPE], claims_challenge=wanted)

    first = await acquire()
    assert (await acquire())["token_source"] == "cache"
    await confirmed(setting, workload)
    found = challenged(await setting.call(first["access_token"]), REVOKED)
    second = await acquire(found.claims)
    assert second["token_source"] == "identity_provider"
    assert claims(second["access_token"])["xms_cc"] == ["cp1"]
    assert (await setting.call(second["access_token"])).status_code == 200
    await setting.block(workload.service_principal_id)
    # The token is of this very moment, and the policy is newer.
    found = challenged(await setting.call(second["access_token"]), OUTDATED)
    third = await acquire(found.claims)
    assert third["error_codes"] == [53003] and third["suberror"] == "message_only"


async def test_a_client_on_azure_core(setting: Setting, workload: Workload):
    """Clients of Azure's SDK answer a challenge only when it says `insufficient_claims`."""
    async with (
        graphs.credential(setting.server, setting.tenant, workload.app_id, workload.secret) as credential,
        AsyncPipelineClient(
            setting.server.authority, connection_verify=setting.server.ca,
            policies=[AsyncBearerTokenCredentialPolicy(credential, GRAPH_SCOPE, enable_cae=True)],
        ) as client,
    ):
        request = HttpRequest("GET", f"{setting.server.authority}/v1.0/servicePrincipals?$top=1")
        assert (await client.send_request(request)).status_code == 200
        await confirmed(setting, workload)
        request = HttpRequest("GET", f"{setting.server.authority}/v1.0/servicePrincipals?$top=1")
        assert (await client.send_request(request)).status_code == 200
        await setting.block(workload.service_principal_id)
        request = HttpRequest("GET", f"{setting.server.authority}/v1.0/servicePrincipals?$top=1")
        with pytest.raises(ClientAuthenticationError, match="AADSTS53003"):
            await client.send_request(request)


async def test_a_later_challenge_is_another_one(setting: Setting, workload: Workload):
    """msal keeps a refused request for 60 s; only another `nbf` gets through to the server."""
    token = await setting.token(workload)
    await confirmed(setting, workload)
    first = challenged(await setting.call(token), REVOKED)
    await asyncio.sleep(1.1)
    assert challenged(await setting.call(token), REVOKED).not_before == first.not_before, "the time of the event"
    await graphs.dismiss(setting.graph, workload.service_principal_id)
    await graphs.confirm(setting.graph, workload.service_principal_id)
    assert challenged(await setting.call(token), REVOKED).not_before > first.not_before


# Exactness.


async def test_before_and_after_within_a_second(setting: Setting, workload: Workload):
    """`iat` has whole seconds, events have not: a token of just before ends, one of just after does not."""
    for _ in range(5):
        before = await setting.token(workload)
        await graphs.confirm(setting.graph, workload.service_principal_id)
        after = await setting.token(workload)
        challenged(await setting.call(before), REVOKED)
        assert (await setting.call(after)).status_code == 200
        await graphs.dismiss(setting.graph, workload.service_principal_id)


async def test_the_new_token_is_not_older_than_asked(setting: Setting, workload: Workload):
    """§3. Both times lie back otherwise, and a resource that compares would challenge again and again."""
    token = await setting.token(workload)
    await confirmed(setting, workload)
    found = challenged(await setting.call(token), REVOKED)
    new = claims((await answer(setting, workload, found)).json()["access_token"])
    for name in ["iat", "nbf"]:
        assert found.not_before <= new[name] <= time.time(), name


async def test_a_challenged_request_does_nothing(setting: Setting):
    """Nor does a part of a batch."""
    workload = await setting.workload("writer", "Application.ReadWrite.All")
    victim = await graphs.new_application(setting.graph, "victim")
    token = await setting.token(workload)
    await confirmed(setting, workload)
    headers = {"Authorization": f"Bearer {token}"} | from_address(OFFICE)
    path = f"/v1.0/applications/{victim.id}"
    challenge(await setting.nobody.delete(path, headers=headers))
    challenge(await setting.nobody.patch(path, json={"displayName": "theirs"}, headers=headers))
    batch = {"requests": [{"id": "1", "method": "DELETE", "url": path.removeprefix("/v1.0")}]}
    challenge(await setting.nobody.post("/v1.0/$batch", json=batch, headers=headers))
    found = await setting.graph.applications.by_application_id(victim.id).get()
    assert found.display_name == victim.display_name


async def test_who_lacks_a_permission_is_denied_and_not_challenged(setting: Setting):
    workload = await setting.workload("nobody")
    async with Program(setting, workload) as program:
        with pytest.raises(ODataError) as error:
            await program.call()
        assert error.value.response_status_code == 403
    response = await setting.call(await setting.token(workload))
    assert response.status_code == 403 and "www-authenticate" not in response.headers


async def test_many_calls_while_it_happens(setting: Setting, workload: Workload):
    """Once the event is acknowledged, no call with the old token gets through."""
    token = await setting.token(workload)
    done = asyncio.Event()
    late: list[int] = []

    async def calls() -> None:
        while not done.is_set():
            await setting.call(token)
        late.extend([(await setting.call(token)).status_code for _ in range(3)])

    async def event() -> None:
        await asyncio.sleep(0.3)
        await graphs.confirm(setting.graph, workload.service_principal_id)
        done.set()

    await asyncio.gather(event(), *(calls() for _ in range(8)))
    assert len(late) == 24 and set(late) == {401}


async def test_what_was_revoked_stays_revoked_after_a_restart(database: str):
    async with own_setting(database) as setting:
        workload = await setting.workload("payroll", "Application.Read.All")
        other = await setting.workload("other", "Application.Read.All")
        revoked, kept = await setting.token(workload), await setting.token(other)
        await confirmed(setting, workload)
        assert setting.server.stop() == 0
        setting.server.start()
        challenged(await setting.call(revoked), REVOKED)
        assert (await setting.call(kept)).status_code == 200


@pytest.mark.parametrize("event", [disabled, confirmed, secret_removed, policy_made], ids=name_of)
async def test_another_node_knows_within_a_second(database: str, event: Event):
    if database != "postgres":
        pytest.skip("SQLite is for one node")
    async with own_setting(database) as setting:
        workload = await setting.workload("payroll", "Application.Read.All")
        with another_node(setting.server) as node:
            node.start()
            async with opened(node, setting.tenant) as there:
                token = await setting.token(workload)
                assert (await there.call(token)).status_code == 200
                code, _ = await event(setting, workload)
                begun = time.monotonic()
                while (response := await there.call(token)).status_code == 200:
                    assert time.monotonic() - begun < SOON, f"the other node still trusts the token after {SOON} s"
                    await asyncio.sleep(0.02)
                challenged(response, code)
