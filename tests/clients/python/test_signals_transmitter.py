"""OpenID Shared Signals: the server tells receivers what happened to workloads, and no event is lost.

Sections are those of the reference on continuous access evaluation; paths, permissions and what else it leaves open
stand in docs/shared-signals.md. Tests ask the metadata where things are.
"""

import asyncio
import base64
import signal
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from itertools import pairwise

import pytest
from msgraph.generated.applications.item.remove_password.remove_password_post_request_body import (
    RemovePasswordPostRequestBody,
)
from msgraph.generated.models.service_principal import ServicePrincipal

from support import graph as graphs
from support.access import LOCATIONS, REPORT_ONLY, grant, ip_location, opened, own_setting
from support.graph import Workload
from support.keys import Authority, Key
from support.receiver import (
    ACCEPTED, ACCOUNT_DISABLED, ACCOUNT_ENABLED, ACCOUNT_PURGED, CREDENTIAL_CHANGE, LOST, POLL, PUSH,
    RISK_LEVEL_CHANGE, SESSION_REVOKED, STREAM_UPDATED, TOKEN_CLAIMS_CHANGE, VERIFICATION, Answer, Delivery, Event,
    Receiver, Stream, failing, refused,
)
from support.server import own_server
from support.signals import EVENTS, READ, SECRET, Signals, signalling, well_known
from support.tokens import claims, token


@pytest.fixture(scope="module")
async def signals(database: str) -> AsyncIterator[Signals]:
    async with own_setting(database) as setting, signalling(setting) as signals:
        yield signals


@pytest.fixture(autouse=True)
async def no_stream_stays(signals: Signals) -> AsyncIterator[None]:
    yield
    await signals.end()


@pytest.fixture
async def workload(signals: Signals) -> Workload:
    return await signals.setting.workload("payroll")


async def disable(signals: Signals, workload: Workload, enabled: bool = False) -> None:
    item = signals.setting.graph.service_principals.by_service_principal_id(workload.service_principal_id)
    await item.patch(ServicePrincipal(account_enabled=enabled))


# Metadata (§5).


async def test_metadata(signals: Signals):
    found, setting = signals.configuration, signals.setting
    assert found["spec_version"] == "1_0"
    assert found["issuer"] == f"{setting.server.authority}/{setting.tenant.id}/v2.0"
    discovery = (await setting.nobody.get(f"/{setting.tenant.id}/v2.0/.well-known/openid-configuration")).json()
    assert (found["issuer"], found["jwks_uri"]) == (discovery["issuer"], discovery["jwks_uri"])
    assert set(found["delivery_methods_supported"]) == {PUSH, POLL}
    for name in ["configuration", "status", "add_subject", "remove_subject", "verification"]:
        assert found[f"{name}_endpoint"].startswith(setting.server.authority + "/")
    assert found["authorization_schemes"] == [{"spec_urn": "urn:ietf:rfc:6749"}]
    assert found["default_subjects"] == "ALL"
    assert set(found["critical_subject_members"]) == {"application", "tenant"}


async def test_metadata_is_json_for_anybody(signals: Signals):
    response = await signals.setting.nobody.get(well_known(signals.setting.tenant))
    assert response.headers["content-type"].startswith("application/json")


async def test_each_tenant_is_a_transmitter_of_its_own(signals: Signals):
    setting = signals.setting
    other = (await setting.nobody.get(well_known(setting.server.fabrikam))).json()
    assert other["issuer"] != signals.configuration["issuer"]
    assert other["configuration_endpoint"] != signals.configuration["configuration_endpoint"]
    for path in [f"/.well-known/ssf-configuration/{uuid.uuid4()}/v2.0", "/.well-known/ssf-configuration/nobody"]:
        assert (await setting.nobody.get(path)).status_code == 404


# Streams (§5).


async def test_a_stream_from_its_first_to_its_last_moment(signals: Signals):
    stream = await signals.stream(SESSION_REVOKED, RISK_LEVEL_CHANGE, description="the SIEM")
    made, endpoint = stream.document, signals.configuration["configuration_endpoint"]
    assert made["stream_id"] and made["iss"] == signals.configuration["issuer"] and made["aud"]
    assert set(made["events_supported"]) == set(EVENTS)
    assert set(made["events_requested"]) == set(made["events_delivered"]) == {SESSION_REVOKED, RISK_LEVEL_CHANGE}
    assert made["description"] == "the SIEM"
    assert made["delivery"] == {"method": PUSH, "endpoint_url": f"{signals.receiver.url}{stream.path}"}, (
        "a secret is told by the receiver and to nobody"
    )
    assert made["min_verification_interval"] > 0

    one = await stream.http.get(endpoint, params={"stream_id": stream.id})
    assert (one.status_code, one.json()) == (200, made)
    all = await stream.http.get(endpoint)
    assert (all.status_code, all.json()) == (200, [made])

    response = await stream.http.patch(endpoint, json={"stream_id": stream.id, "events_requested": [SESSION_REVOKED]})
    assert response.status_code in (200, 202), response.text
    changed = (await stream.http.get(endpoint, params={"stream_id": stream.id})).json()
    assert changed == made | {"events_requested": [SESSION_REVOKED], "events_delivered": [SESSION_REVOKED]}

    whole = {
        "stream_id": stream.id, "events_requested": [ACCOUNT_DISABLED], "delivery": signals.push(stream.path),
    }
    response = await stream.http.put(endpoint, json=whole)
    assert response.status_code in (200, 202), response.text
    changed = (await stream.http.get(endpoint, params={"stream_id": stream.id})).json()
    assert changed["events_delivered"] == [ACCOUNT_DISABLED]
    assert not changed.get("description"), "what a replacement leaves out is gone"

    response = await stream.http.delete(endpoint, params={"stream_id": stream.id})
    assert response.status_code == 204
    assert (await stream.http.get(endpoint, params={"stream_id": stream.id})).status_code == 404
    assert (await stream.http.get(endpoint)).json() == []


async def test_without_delivery_a_stream_is_polled(signals: Signals):
    stream = await signals.stream(poll=True)
    delivery = stream.document["delivery"]
    assert delivery["method"] == POLL
    assert delivery["endpoint_url"].startswith(signals.setting.server.authority + "/")


async def test_one_stream_for_each_receiver(signals: Signals):
    stream = await signals.stream()
    response = await stream.http.post(
        signals.configuration["configuration_endpoint"],
        json={"events_requested": EVENTS, "delivery": signals.push("/second")},
    )
    assert response.status_code == 409, response.text


async def test_events_that_nobody_knows_are_not_delivered(signals: Signals):
    stream = await signals.stream(SESSION_REVOKED, "https://example.com/events/unheard-of")
    assert stream.document["events_delivered"] == [SESSION_REVOKED]


async def test_a_stream_is_its_receivers_own(signals: Signals):
    stream, stranger = await signals.stream(), await signals.client()
    found, id = signals.configuration, stream.id
    assert (await stranger.get(found["configuration_endpoint"])).json() == []
    requests = [
        stranger.get(found["configuration_endpoint"], params={"stream_id": id}),
        stranger.patch(found["configuration_endpoint"], json={"stream_id": id, "events_requested": []}),
        stranger.put(
            found["configuration_endpoint"],
            json={"stream_id": id, "events_requested": [], "delivery": signals.push("/theirs")},
        ),
        stranger.delete(found["configuration_endpoint"], params={"stream_id": id}),
        stranger.get(found["status_endpoint"], params={"stream_id": id}),
        stranger.post(found["status_endpoint"], json={"stream_id": id, "status": "disabled"}),
        stranger.post(found["verification_endpoint"], json={"stream_id": id}),
        stranger.post(
            found["remove_subject_endpoint"],
            json={"stream_id": id, "subject": {"format": "opaque", "id": "anything"}},
        ),
    ]
    for request in requests:
        assert (await request).status_code == 404
    mine = (await stream.http.get(found["configuration_endpoint"], params={"stream_id": id})).json()
    assert mine == stream.document


async def test_who_may_have_a_stream(signals: Signals):
    endpoint = signals.configuration["configuration_endpoint"]
    body = {"events_requested": EVENTS, "delivery": signals.push("/nowhere")}
    anonymous = await signals.setting.nobody.post(endpoint, json=body)
    assert anonymous.status_code == 401 and anonymous.headers["www-authenticate"].startswith("Bearer")
    nobody = await signals.client("Application.Read.All")
    assert (await nobody.post(endpoint, json=body)).status_code == 403
    assert (await nobody.get(endpoint)).status_code == 403
    reader = await signals.client(READ)
    assert (await reader.get(endpoint)).json() == []
    assert (await reader.post(endpoint, json=body)).status_code == 403


async def test_a_token_of_another_tenant(signals: Signals):
    setting, fabrikam = signals.setting, signals.setting.server.fabrikam
    text = await token(setting.nobody, setting.server, fabrikam, fabrikam.admin.client_id, fabrikam.admin.secret)
    response = await setting.nobody.get(
        signals.configuration["configuration_endpoint"], headers={"Authorization": f"Bearer {text}"}
    )
    assert response.status_code in (401, 403)


@pytest.mark.parametrize(
    "body",
    [
        {"events_requested": "all"},
        {"delivery": "push"},
        {"delivery": {"method": PUSH}},
        {"delivery": {"method": PUSH, "endpoint_url": "http://receiver.example/events"}},
        {"delivery": {"method": PUSH, "endpoint_url": "https://user:password@receiver.example/events"}},
        {"delivery": {"method": PUSH, "endpoint_url": "ftp://receiver.example"}},
        {"delivery": {"method": PUSH, "endpoint_url": "events"}},
        {"delivery": {"method": PUSH, "endpoint_url": "https://r.example", "authorization_header": "a\r\nHost: b"}},
        {"delivery": {"method": "urn:example:carrier-pigeon", "endpoint_url": "https://receiver.example"}},
    ],
    ids=str,
)
async def test_a_stream_that_cannot_be(signals: Signals, body: dict):
    http = await signals.client()
    response = await http.post(
        signals.configuration["configuration_endpoint"], json={"events_requested": EVENTS} | body
    )
    assert response.status_code == 400, response.text
    assert (await http.get(signals.configuration["configuration_endpoint"])).json() == []


@pytest.mark.parametrize(
    "change", [{"aud": "somebody else"}, {"iss": "https://issuer.example"}, {"events_supported": []}], ids=str
)
async def test_what_the_transmitter_says_of_a_stream_is_not_changed(signals: Signals, change: dict):
    stream = await signals.stream()
    endpoint = signals.configuration["configuration_endpoint"]
    assert (await stream.http.patch(endpoint, json={"stream_id": stream.id} | change)).status_code == 400
    assert (await stream.http.patch(endpoint, json={"events_requested": []})).status_code == 400, "which one?"
    unknown = {"stream_id": str(uuid.uuid4()), "events_requested": []}
    assert (await stream.http.patch(endpoint, json=unknown)).status_code == 404
    assert (await stream.http.get(endpoint, params={"stream_id": stream.id})).json() == stream.document


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "10.1.2.3", "169.254.169.254", "[fd00::1]"])
async def test_no_events_for_private_addresses_unless_allowed(inside: Signals, host: str):
    """A receiver's address is a stranger's wish: it must not open the network that the server stands in."""
    http = await inside.client()
    body = {
        "events_requested": EVENTS,
        "delivery": {"method": PUSH, "endpoint_url": f"https://{host}:{inside.receiver.port}/inside"},
    }
    response = await http.post(inside.configuration["configuration_endpoint"], json=body)
    assert response.status_code == 400, response.text
    assert inside.receiver.at("/inside") == []


@pytest.fixture(scope="module")
async def inside(database: str) -> AsyncIterator[Signals]:
    """A server that may not call private addresses."""
    with own_server(database) as server:
        server.variables = {"COUNTERSIGN_OUTBOUND_ALLOW_PRIVATE": "false"}
        server.start()
        async with opened(server, server.contoso) as setting, signalling(setting) as signals:
            yield signals


async def test_each_change_of_a_stream_is_recorded(signals: Signals):
    stream = await signals.stream()
    endpoint = signals.configuration["configuration_endpoint"]
    await stream.http.patch(endpoint, json={"stream_id": stream.id, "description": "another"})
    await stream.http.delete(endpoint, params={"stream_id": stream.id})
    for kind in ["Add", "Update", "Delete"]:
        [record] = await signals.setting.audits(stream.id, f"{kind} security event stream")
        assert record["loggedByService"] == "Shared Signals" and record["result"] == "success"
        assert record["initiatedBy"]["app"]["servicePrincipalId"]
        assert SECRET not in str(record)


# Verification (§5).


async def test_a_stream_can_be_verified(signals: Signals):
    stream, state = await signals.stream(SESSION_REVOKED), str(uuid.uuid4())
    endpoint = signals.configuration["verification_endpoint"]
    response = await stream.http.post(endpoint, json={"stream_id": stream.id, "state": state})
    assert (response.status_code, response.content) == (204, b"")
    await stream.wait(lambda: any(one.type == VERIFICATION for one in stream.events()))
    [event] = [one for one in stream.events() if one.type == VERIFICATION]
    assert event.payload == {"state": state}
    assert event.subject == {"format": "opaque", "id": stream.id}
    again = await stream.http.post(endpoint, json={"stream_id": stream.id})
    assert again.status_code == 429, "`min_verification_interval`"
    assert (await stream.http.post(endpoint, json={"stream_id": str(uuid.uuid4())})).status_code == 404
    assert (await stream.http.post(endpoint, json={"state": state})).status_code == 400


async def test_without_state_there_is_none(signals: Signals):
    stream = await signals.stream(poll=True)
    response = await stream.http.post(signals.configuration["verification_endpoint"], json={"stream_id": stream.id})
    assert response.status_code == 204
    events = await poll_until(stream, lambda found: any(one.type == VERIFICATION for one in found))
    assert [one.payload for one in events if one.type == VERIFICATION] == [{}]


# What becomes an event (§9).


@dataclass(frozen=True)
class Expected:
    type: str
    payload: dict


Action = Callable[[Signals, Workload], Awaitable[list[Expected]]]


async def disabling(signals: Signals, workload: Workload) -> list[Expected]:
    await disable(signals, workload)
    return [Expected(ACCOUNT_DISABLED, {}), Expected(SESSION_REVOKED, {"initiating_entity": "admin"})]


async def enabling(signals: Signals, workload: Workload) -> list[Expected]:
    await disable(signals, workload)
    await disable(signals, workload, True)
    return [Expected(ACCOUNT_ENABLED, {})]


async def deleting(signals: Signals, workload: Workload) -> list[Expected]:
    item = signals.setting.graph.service_principals.by_service_principal_id(workload.service_principal_id)
    await item.delete()
    return [Expected(ACCOUNT_DISABLED, {}), Expected(SESSION_REVOKED, {"initiating_entity": "admin"})]


async def deleting_the_application(signals: Signals, workload: Workload) -> list[Expected]:
    await signals.setting.graph.applications.by_application_id(workload.object_id).delete()
    return [Expected(ACCOUNT_DISABLED, {}), Expected(SESSION_REVOKED, {"initiating_entity": "admin"})]


async def deleting_for_ever(signals: Signals, workload: Workload) -> list[Expected]:
    await deleting(signals, workload)
    items = signals.setting.graph.directory.deleted_items
    await items.by_directory_object_id(workload.service_principal_id).delete()
    return [Expected(ACCOUNT_PURGED, {})]


async def restoring(signals: Signals, workload: Workload) -> list[Expected]:
    await deleting(signals, workload)
    items = signals.setting.graph.directory.deleted_items
    await items.by_directory_object_id(workload.service_principal_id).restore.post()
    return [Expected(ACCOUNT_ENABLED, {})]


async def confirming(signals: Signals, workload: Workload) -> list[Expected]:
    await graphs.confirm(signals.setting.graph, workload.service_principal_id)
    risk = {
        "principal": "APPLICATION", "current_level": "HIGH", "initiating_entity": "admin",
        "risk_reason": "adminConfirmedServicePrincipalCompromised",
    }
    return [Expected(RISK_LEVEL_CHANGE, risk), Expected(SESSION_REVOKED, {"initiating_entity": "admin"})]


async def dismissing(signals: Signals, workload: Workload) -> list[Expected]:
    """§7: there is no level NONE."""
    await graphs.confirm(signals.setting.graph, workload.service_principal_id)
    await graphs.dismiss(signals.setting.graph, workload.service_principal_id)
    risk = {
        "principal": "APPLICATION", "current_level": "LOW", "previous_level": "HIGH", "initiating_entity": "admin",
    }
    return [Expected(RISK_LEVEL_CHANGE, risk)]


async def adding_a_secret(signals: Signals, workload: Workload) -> list[Expected]:
    made = await graphs.new_secret(signals.setting.graph, workload.object_id)
    return [
        Expected(CREDENTIAL_CHANGE, {
            "credential_type": "app", "change_type": "create", "friendly_name": "test", "key_id": str(made.key_id),
            "initiating_entity": "admin",
        })
    ]


async def removing_a_secret(signals: Signals, workload: Workload) -> list[Expected]:
    await signals.setting.graph.applications.by_application_id(workload.object_id).remove_password.post(
        RemovePasswordPostRequestBody(key_id=uuid.UUID(workload.secret_id))
    )
    return [
        Expected(CREDENTIAL_CHANGE, {
            "credential_type": "app", "change_type": "delete", "friendly_name": "test", "key_id": workload.secret_id,
        })
    ]


async def adding_a_certificate(signals: Signals, workload: Workload) -> list[Expected]:
    [made] = await graphs.set_certificates(signals.setting.graph, workload.object_id, Key("payroll"))
    return [
        Expected(CREDENTIAL_CHANGE, {"credential_type": "x509", "change_type": "create", "key_id": str(made.key_id)})
    ]


async def removing_a_certificate(signals: Signals, workload: Workload) -> list[Expected]:
    [made] = await graphs.set_certificates(signals.setting.graph, workload.object_id, Key("payroll"))
    await graphs.set_certificates(signals.setting.graph, workload.object_id)
    return [
        Expected(CREDENTIAL_CHANGE, {"credential_type": "x509", "change_type": "delete", "key_id": str(made.key_id)})
    ]


async def granting(signals: Signals, workload: Workload) -> list[Expected]:
    await grant(signals.setting.graph, workload, "Application.Read.All")
    return [Expected(TOKEN_CLAIMS_CHANGE, {"claims": {"roles": ["Application.Read.All"]}})]


async def taking_a_permission_away(signals: Signals, workload: Workload) -> list[Expected]:
    """What it had must not be good for another day."""
    await grant(signals.setting.graph, workload, "Application.Read.All")
    principal = signals.setting.graph.service_principals.by_service_principal_id(workload.service_principal_id)
    [assignment] = (await principal.app_role_assignments.get()).value
    await principal.app_role_assignments.by_app_role_assignment_id(assignment.id).delete()
    return [Expected(TOKEN_CLAIMS_CHANGE, {"claims": {"roles": []}}), Expected(SESSION_REVOKED, {"generation": 1})]


async def exchanging_a_key(signals: Signals, workload: Workload) -> list[Expected]:
    """Another certificate under the same id."""
    [made] = await graphs.set_certificates(signals.setting.graph, workload.object_id, Key("payroll"))
    other = {
        "type": "AsymmetricX509Cert", "usage": "Verify", "keyId": str(made.key_id),
        "key": base64.b64encode(Key("another").der).decode(),
    }
    response = await signals.setting.http.patch(
        f"/v1.0/applications/{workload.object_id}", json={"keyCredentials": [other]}
    )
    assert response.status_code == 204, response.text
    return [Expected(SESSION_REVOKED, {"generation": 1})]


async def a_policy(signals: Signals, workload: Workload) -> list[Expected]:
    """In force: it may block anything, and who receives cannot know it."""
    await signals.setting.block(workload.service_principal_id, risk=["high"])
    return [Expected(SESSION_REVOKED, {"initiating_entity": "policy"})]


async def deactivating_the_application(signals: Signals, workload: Workload) -> list[Expected]:
    response = await signals.setting.http.patch(
        f"/beta/applications/{workload.object_id}", json={"isDisabled": True}
    )
    assert response.status_code == 204, response.text
    return [Expected(ACCOUNT_DISABLED, {"generation": 1}), Expected(SESSION_REVOKED, {"generation": 1})]


ACTIONS: list[Action] = [
    taking_a_permission_away, exchanging_a_key, a_policy, deactivating_the_application, disabling, enabling, deleting, deleting_the_application, deleting_for_ever, restoring, confirming, dismissing,
    adding_a_secret, removing_a_secret, adding_a_certificate, removing_a_certificate, granting,
]


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.__name__)
async def test_what_happens_is_told(signals: Signals, workload: Workload, action: Action):
    stream = await signals.stream()
    begun = time.time()
    expected = await action(signals, workload)

    def matches(event: Event, one: Expected) -> bool:
        return event.type == one.type and one.payload.items() <= event.payload.items()

    def found() -> list[Event]:
        """The newest that matches, of each."""
        own = stream.about(workload.service_principal_id)
        newest = [[event for event in own if matches(event, one)][-1:] for one in expected]
        return [event for events in newest for event in events]

    await stream.wait(lambda: len(found()) == len(expected))
    for event in found():
        assert event.subject == signals.subject(workload)
        assert isinstance(event.payload["event_timestamp"], int)
        assert begun - 2 <= event.payload["event_timestamp"] <= time.time() + 2
    assert len({event.claims["txn"] for event in found()}) == 1, "one cause, one `txn`"
    jtis = [event.jti for event in stream.events()]
    assert len(set(jtis)) == len(jtis)


async def test_policies_tell_whom_they_are_about(signals: Signals, workload: Workload):
    """And nobody else; also when a location changes that one of them rests on. Report-only tells nobody."""
    setting, stream = signals.setting, await signals.stream(SESSION_REVOKED, ACCOUNT_DISABLED)
    other = await setting.workload("other")
    location = await setting.create(ip_location("198.51.100.0/24"), LOCATIONS)
    id = await setting.block(workload.service_principal_id, locations=[location["id"]], state=REPORT_ONLY)
    await setting.change(id, {"state": "enabled"})
    await stream.wait(lambda: len(stream.about(workload.service_principal_id)) == 1)
    await setting.change(location["id"], ip_location("198.51.100.0/25", name=location["displayName"]), LOCATIONS)
    await stream.wait(lambda: len(stream.about(workload.service_principal_id)) == 2)
    await setting.change(id, {"state": "disabled"})
    await disable(signals, other)
    await stream.expect(other.service_principal_id, ACCOUNT_DISABLED, SESSION_REVOKED)
    assert len(stream.about(workload.service_principal_id)) == 2
    assert [one.payload["initiating_entity"] for one in stream.about(other.service_principal_id)] == ["admin", "admin"]


async def test_service_principals_elsewhere_are_told_of_their_application(signals: Signals):
    """Each tenant tells its own receivers of its own service principal."""
    setting, server = signals.setting, signals.setting.server
    shared = await setting.workload("shared", sign_in_audience="AzureADMultipleOrgs")
    async with opened(server, server.fabrikam) as there, signalling(there) as theirs:
        principal = await there.graph.service_principals.post(ServicePrincipal(app_id=shared.app_id))
        here, stream = await signals.stream(), await theirs.stream()
        try:
            made = await graphs.new_secret(setting.graph, shared.object_id)
            await stream.expect(principal.id, CREDENTIAL_CHANGE)
            [event] = stream.about(principal.id, CREDENTIAL_CHANGE)
            assert event.payload["key_id"] == str(made.key_id)
            assert event.subject["tenant"]["id"] == server.fabrikam.id
            await setting.graph.applications.by_application_id(shared.object_id).delete()
            await stream.expect(principal.id, ACCOUNT_DISABLED, SESSION_REVOKED)
            await here.expect(shared.service_principal_id, ACCOUNT_DISABLED, SESSION_REVOKED)
            assert here.about(principal.id) == stream.about(shared.service_principal_id) == []
            items = setting.graph.directory.deleted_items
            await items.by_directory_object_id(shared.object_id).restore.post()
            await stream.expect(principal.id, ACCOUNT_ENABLED)
        finally:
            await theirs.end()


async def test_an_application_that_rolls_its_own_key_is_no_administrator(signals: Signals):
    """CAEP, section 2: the subject itself is `user`."""
    setting, stream = signals.setting, await signals.stream(CREDENTIAL_CHANGE)
    workload = await setting.workload("payroll", "Application.ReadWrite.All")
    bearer = {"Authorization": f"Bearer {await setting.token(workload)}"}
    response = await setting.nobody.post(
        f"/v1.0/applications/{workload.object_id}/addPassword", json={}, headers=bearer
    )
    assert response.status_code == 200, response.text

    def own() -> list[Event]:
        events = stream.about(workload.service_principal_id)
        return [one for one in events if one.payload["key_id"] == response.json()["keyId"]]

    await stream.wait(lambda: bool(own()))
    assert own()[0].payload["initiating_entity"] == "user"


async def test_the_first_level_has_none_before_it(signals: Signals, workload: Workload):
    """§7: a level NONE cannot be said, so nothing is."""
    stream = await signals.stream(RISK_LEVEL_CHANGE)
    await confirming(signals, workload)
    [event] = await stream.expect(workload.service_principal_id, RISK_LEVEL_CHANGE)
    assert "previous_level" not in event.payload


async def test_nothing_that_was_not_asked_for(signals: Signals, workload: Workload):
    stream = await signals.stream(ACCOUNT_ENABLED)
    await confirming(signals, workload)
    await adding_a_secret(signals, workload)
    await enabling(signals, workload)
    await stream.expect(workload.service_principal_id, ACCOUNT_ENABLED)
    assert {event.type for event in stream.events()} == {ACCOUNT_ENABLED}


async def test_a_change_that_changes_nothing_is_no_event(signals: Signals, workload: Workload):
    stream = await signals.stream(ACCOUNT_ENABLED, ACCOUNT_DISABLED)
    await disable(signals, workload, True)
    await disable(signals, workload)
    await disable(signals, workload)
    await disable(signals, workload, True)
    await stream.expect(workload.service_principal_id, ACCOUNT_DISABLED, ACCOUNT_ENABLED)
    types = [event.type for event in stream.about(workload.service_principal_id)]
    assert types == [ACCOUNT_DISABLED, ACCOUNT_ENABLED]


async def test_no_secret_leaves_with_an_event(signals: Signals, workload: Workload):
    stream = await signals.stream()
    made = await graphs.new_secret(signals.setting.graph, workload.object_id)
    await stream.expect(workload.service_principal_id, CREDENTIAL_CHANGE)
    assert made.secret_text not in str(stream.events())


async def test_events_of_another_tenant_do_not_come(signals: Signals, workload: Workload):
    stream = await signals.stream()
    fabrikam = signals.setting.server.fabrikam
    async with opened(signals.setting.server, fabrikam) as there:
        theirs = await there.workload("theirs")
        await graphs.confirm(there.graph, theirs.service_principal_id)
    await confirming(signals, workload)
    await stream.expect(workload.service_principal_id, RISK_LEVEL_CHANGE, SESSION_REVOKED)
    assert stream.about(theirs.service_principal_id) == []
    tenants = {event.subject["tenant"]["id"] for event in stream.events() if "tenant" in event.subject}
    assert tenants == {signals.setting.tenant.id}


async def test_it_is_told_within_a_second(signals: Signals, workload: Workload):
    stream = await signals.stream(RISK_LEVEL_CHANGE)
    await confirming(signals, workload)
    await stream.expect(workload.service_principal_id, RISK_LEVEL_CHANGE, seconds=1)


# Subjects (§5).


async def test_subjects_can_be_taken_away_and_put_back(signals: Signals, workload: Workload):
    stream, other = await signals.stream(ACCOUNT_DISABLED, ACCOUNT_ENABLED), await signals.setting.workload("other")
    body = {"stream_id": stream.id, "subject": signals.subject(workload)}
    response = await stream.http.post(signals.configuration["remove_subject_endpoint"], json=body)
    assert response.status_code == 204, response.text
    await disable(signals, workload)
    await disable(signals, other)
    await stream.expect(other.service_principal_id, ACCOUNT_DISABLED)
    response = await stream.http.post(signals.configuration["add_subject_endpoint"], json=body)
    assert (response.status_code, response.content) == (200, b"")
    await disable(signals, workload, True)
    await stream.expect(workload.service_principal_id, ACCOUNT_ENABLED)
    assert [one.type for one in stream.about(workload.service_principal_id)] == [ACCOUNT_ENABLED]


@pytest.mark.parametrize(
    ("subject", "status"),
    [
        ({"format": "opaque", "id": "unheard of"}, 200),  # §5: whether it is known may stay unsaid
        ({"format": "iss_sub", "iss": "https://issuer.example"}, 400),
        ({"format": "carrier-pigeon", "id": "x"}, 400),
        ({"id": "x"}, 400), ("somebody", 400), (None, 400),
    ],
    ids=str,
)
async def test_subjects_that_are_none(signals: Signals, subject: object, status: int):
    stream = await signals.stream()
    response = await stream.http.post(
        signals.configuration["add_subject_endpoint"], json={"stream_id": stream.id, "subject": subject}
    )
    assert response.status_code == status, response.text


# Status (§5).


async def test_what_happens_during_a_pause_comes_after_it(signals: Signals, workload: Workload):
    stream = await signals.stream(ACCOUNT_DISABLED, ACCOUNT_ENABLED)
    endpoint = signals.configuration["status_endpoint"]
    found = (await stream.http.get(endpoint, params={"stream_id": stream.id})).json()
    assert found == {"stream_id": stream.id, "status": "enabled"}
    await stream.set_status("paused", reason="maintenance")
    found = (await stream.http.get(endpoint, params={"stream_id": stream.id})).json()
    assert found == {"stream_id": stream.id, "status": "paused", "reason": "maintenance"}
    await enabling(signals, workload)
    await asyncio.sleep(1.5)
    assert stream.about(workload.service_principal_id) == []
    await stream.set_status("enabled")
    await stream.expect(workload.service_principal_id, ACCOUNT_DISABLED, ACCOUNT_ENABLED)
    assert [one.type for one in stream.about(workload.service_principal_id)] == [ACCOUNT_DISABLED, ACCOUNT_ENABLED]
    updates = [one for one in stream.events() if one.type == STREAM_UPDATED]
    assert [one.payload["status"] for one in updates] == ["paused", "enabled"]
    assert updates[0].payload["reason"] == "maintenance"
    assert {str(one.subject) for one in updates} == {str({"format": "opaque", "id": stream.id})}


async def test_what_happens_to_a_disabled_stream_does_not_come_at_all(signals: Signals, workload: Workload):
    stream = await signals.stream(ACCOUNT_DISABLED, ACCOUNT_ENABLED)
    await stream.set_status("disabled")
    await enabling(signals, workload)
    await asyncio.sleep(0.5)
    await stream.set_status("enabled")
    await disable(signals, workload)
    await stream.expect(workload.service_principal_id, ACCOUNT_DISABLED)
    assert [one.type for one in stream.about(workload.service_principal_id)] == [ACCOUNT_DISABLED]


async def test_a_status_that_is_none(signals: Signals):
    stream = await signals.stream()
    endpoint = signals.configuration["status_endpoint"]
    for body in [{"stream_id": stream.id, "status": "asleep"}, {"stream_id": stream.id}, {"status": "paused"}]:
        assert (await stream.http.post(endpoint, json=body)).status_code == 400
    unknown = {"stream_id": str(uuid.uuid4()), "status": "paused"}
    assert (await stream.http.post(endpoint, json=unknown)).status_code == 404


async def test_a_stream_that_was_deleted_gets_nothing_more(signals: Signals, workload: Workload):
    stream, other = await signals.stream(), await signals.stream()
    await stream.http.delete(signals.configuration["configuration_endpoint"], params={"stream_id": stream.id})
    await confirming(signals, workload)
    await other.expect(workload.service_principal_id, RISK_LEVEL_CHANGE, SESSION_REVOKED)
    assert stream.about(workload.service_principal_id) == []


# Who receives.


def receiver_of(stream: Stream) -> str:
    """The service principal of a stream's receiver."""
    return claims(stream.http.headers["Authorization"].split()[1])["oid"]


async def test_a_receiver_that_is_disabled_is_told_nothing(signals: Signals, workload: Workload):
    """It may not have a token, so it may not have an event; what waits comes when it may again."""
    setting, stream = signals.setting, await signals.stream(ACCOUNT_DISABLED, ACCOUNT_ENABLED)
    receiver = setting.graph.service_principals.by_service_principal_id(receiver_of(stream))
    await receiver.patch(ServicePrincipal(account_enabled=False))
    await disable(signals, workload)
    await asyncio.sleep(3)
    assert stream.about(workload.service_principal_id) == []
    await receiver.patch(ServicePrincipal(account_enabled=True))
    await stream.expect(workload.service_principal_id, ACCOUNT_DISABLED)


async def test_a_poll_that_waits_ends_with_its_receiver(signals: Signals, workload: Workload):
    setting, stream = signals.setting, await signals.stream(ACCOUNT_DISABLED, poll=True)
    pending = asyncio.create_task(
        stream.http.post(stream.document["delivery"]["endpoint_url"], json={"returnImmediately": False})
    )
    await asyncio.sleep(0.5)
    await setting.graph.service_principals.by_service_principal_id(receiver_of(stream)).patch(
        ServicePrincipal(account_enabled=False)
    )
    await disable(signals, workload)
    assert (await asyncio.wait_for(pending, 10)).status_code == 401


async def test_the_stream_of_a_receiver_that_is_gone_is_gone(signals: Signals, workload: Workload):
    setting, stream = signals.setting, await signals.stream(ACCOUNT_DISABLED)
    other = await signals.stream(ACCOUNT_DISABLED)
    id = receiver_of(stream)
    await setting.graph.service_principals.by_service_principal_id(id).delete()
    await setting.graph.directory.deleted_items.by_directory_object_id(id).delete()
    await disable(signals, workload)
    await other.expect(workload.service_principal_id, ACCOUNT_DISABLED)
    assert signals.receiver.at(stream.path) == []
    signals.streams.remove(stream)


async def test_a_stream_that_is_fetched_from_now_on(signals: Signals, workload: Workload):
    """What waited to be pushed is fetched, and nothing is pushed any more."""
    stream = await signals.stream(ACCOUNT_DISABLED, ACCOUNT_ENABLED)
    signals.receiver.answer(stream.path, then=failing(500))
    await disable(signals, workload)
    await stream.wait(lambda: bool(signals.receiver.at(stream.path)))
    response = await stream.http.patch(
        signals.configuration["configuration_endpoint"], json={"stream_id": stream.id, "delivery": {"method": POLL}}
    )
    assert response.status_code == 200, response.text
    stream.document = response.json()
    await disable(signals, workload, True)
    await asyncio.sleep(0.5)
    pushed = len(signals.receiver.at(stream.path))
    found = await poll_until(stream, lambda found: len(list(filter(own(workload), found))) == 2)
    assert [one.type for one in filter(own(workload), found)] == [ACCOUNT_DISABLED, ACCOUNT_ENABLED]
    await asyncio.sleep(3)
    assert len(signals.receiver.at(stream.path)) == pushed


# Push (§6, RFC 8935).


async def test_a_delivery(signals: Signals, workload: Workload):
    stream = await signals.stream(RISK_LEVEL_CHANGE)
    await confirming(signals, workload)
    await stream.expect(workload.service_principal_id, RISK_LEVEL_CHANGE)
    for delivery in signals.receiver.at(stream.path):
        assert delivery.headers["content-type"] == "application/secevent+jwt"
        assert delivery.headers["accept"] == "application/json"
        assert delivery.headers["authorization"] == SECRET
        assert delivery.token.count(".") == 2 and delivery.token == delivery.token.strip()


async def test_a_delivery_without_authorization(signals: Signals, workload: Workload):
    http, path = await signals.client(), f"/{uuid.uuid4()}"
    delivery = {"method": PUSH, "endpoint_url": f"{signals.receiver.url}{path}"}
    response = await http.post(
        signals.configuration["configuration_endpoint"],
        json={"events_requested": [RISK_LEVEL_CHANGE], "delivery": delivery},
    )
    stream = Stream(http, signals.configuration, signals.keys, response.json(), signals.receiver, path)
    await confirming(signals, workload)
    await stream.expect(workload.service_principal_id, RISK_LEVEL_CHANGE)
    assert "authorization" not in signals.receiver.at(path)[0].headers


async def test_a_new_authorization(signals: Signals, workload: Workload):
    """What waits goes out with the new one."""
    stream = await signals.stream(RISK_LEVEL_CHANGE)
    signals.receiver.answer(stream.path, then=failing(401))
    await confirming(signals, workload)
    await stream.wait(lambda: bool(signals.receiver.at(stream.path)))
    delivery = signals.push(stream.path) | {"authorization_header": "Bearer renewed"}
    response = await stream.http.patch(
        signals.configuration["configuration_endpoint"], json={"stream_id": stream.id, "delivery": delivery}
    )
    assert response.status_code in (200, 202), response.text
    signals.receiver.answer(stream.path)
    await stream.expect(workload.service_principal_id, RISK_LEVEL_CHANGE)
    assert signals.receiver.at(stream.path)[-1].headers["authorization"] == "Bearer renewed"


FAULTS: dict[str, list[Answer]] = {
    "400": [refused("invalid_request")] * 2,
    "400 for the key": [refused("invalid_key")] * 2,
    "400 without a word": [failing(400)] * 2,
    "401": [failing(401)] * 2,
    "403": [failing(403)] * 2,
    "404": [failing(404)] * 2,
    "429": [failing(429)] * 2,
    "500": [failing(500)] * 2,
    "503": [failing(503, Retry_After="1")] * 2,
    "one after the other": [failing(500), failing(429), refused("authentication_failed")],
    "the answer is lost": [LOST] * 2,
    # A transmitter that follows it would carry the receiver's authorization to whoever is named there.
    "a redirect": [failing(302, Location="/elsewhere"), failing(307, Location="/elsewhere")],
}


async def lost_nothing(signals: Signals, fault: str) -> None:
    stream, workload = await signals.stream(RISK_LEVEL_CHANGE), await signals.setting.workload("payroll")
    left = list(FAULTS[fault])

    def is_own(text: str) -> bool:
        return claims(text)["sub_id"]["application"]["sub"] == workload.service_principal_id

    def own() -> list[Delivery]:
        return [delivery for delivery in signals.receiver.at(stream.path) if is_own(delivery.token)]

    signals.receiver.answers[stream.path] = lambda text: left.pop(0) if is_own(text) and left else ACCEPTED
    await confirming(signals, workload)
    await stream.expect(workload.service_principal_id, RISK_LEVEL_CHANGE, seconds=40)
    attempts = len(FAULTS[fault]) + 1
    await stream.wait(lambda: len(own()) >= attempts, 40)
    await asyncio.sleep(1)
    assert len(own()) == attempts, f"{fault}: once accepted, it does not come any more"
    assert len(stream.about(workload.service_principal_id)) == 1, fault


async def test_no_event_is_lost(signals: Signals):
    """Whatever a receiver answers but success, the same event comes again. All faults at once: each has its stream."""
    await asyncio.gather(*(lost_nothing(signals, fault) for fault in FAULTS))
    assert signals.receiver.at("/elsewhere") == []


@pytest.mark.parametrize("status", [200, 202, 204])
async def test_success_has_several_numbers(signals: Signals, workload: Workload, status: int):
    """RFC 8935 says 202; receivers in the field say 200 and 204, and mean it."""
    stream = await signals.stream(RISK_LEVEL_CHANGE)
    signals.receiver.answer(stream.path, then=Answer(status))
    await confirming(signals, workload)
    await stream.expect(workload.service_principal_id, RISK_LEVEL_CHANGE)
    await asyncio.sleep(2.5)
    assert len(signals.receiver.at(stream.path)) == 1


async def test_a_receiver_that_was_down(signals: Signals, workload: Workload):
    stream = await signals.stream(RISK_LEVEL_CHANGE)
    signals.receiver.down()
    try:
        await confirming(signals, workload)
        await graphs.dismiss(signals.setting.graph, workload.service_principal_id)
        await asyncio.sleep(3)
    finally:
        signals.receiver.up()
    await stream.wait(lambda: len(stream.about(workload.service_principal_id)) == 2, 30)
    levels = [one.payload["current_level"] for one in stream.about(workload.service_principal_id)]
    assert levels == ["HIGH", "LOW"]


async def test_it_waits_longer_each_time(signals: Signals, workload: Workload):
    """Soon at first, then at growing distances: a receiver that comes up is not run over."""
    stream = await signals.stream(RISK_LEVEL_CHANGE)
    signals.receiver.answer(stream.path, then=failing(500))
    await confirming(signals, workload)
    await asyncio.sleep(16)
    times = [delivery.at for delivery in signals.receiver.at(stream.path)]
    signals.receiver.answer(stream.path)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert gaps and gaps[0] <= 2, "the first one within two seconds"
    assert 3 <= len(gaps) <= 8, gaps
    assert all(later >= earlier * 1.2 for earlier, later in pairwise(gaps)), gaps
    await stream.expect(workload.service_principal_id, RISK_LEVEL_CHANGE, seconds=60)


async def test_it_comes_back_when_it_was_told_to(signals: Signals, workload: Workload):
    stream = await signals.stream(RISK_LEVEL_CHANGE)
    signals.receiver.answer(stream.path, failing(429, Retry_After="4"))
    await confirming(signals, workload)
    await stream.expect(workload.service_principal_id, RISK_LEVEL_CHANGE)
    first, second = [delivery.at for delivery in signals.receiver.at(stream.path)]
    assert 3.9 <= second - first <= 8


BAD: dict[str, Answer] = {
    "slow": Answer(202, delay=8), "refuses": refused("access_denied"), "fails": failing(500),
    "asks for an hour": failing(429, Retry_After="3600"),
}


@pytest.mark.parametrize("fault", BAD)
async def test_no_stream_waits_for_another(signals: Signals, workload: Workload, fault: str):
    bad, good = await signals.stream(RISK_LEVEL_CHANGE), await signals.stream(RISK_LEVEL_CHANGE)
    signals.receiver.answer(bad.path, then=BAD[fault])
    others = [await signals.setting.workload("other") for _ in range(5)]
    for one in others:
        await graphs.confirm(signals.setting.graph, one.service_principal_id)
    await confirming(signals, workload)
    await good.expect(workload.service_principal_id, RISK_LEVEL_CHANGE, seconds=2)
    await good.wait(lambda: all(good.about(one.service_principal_id) for one in others), 2)


async def test_no_subject_waits_for_another(signals: Signals, workload: Workload):
    """A receiver that chokes on one event gets those about others all the same."""
    stream, other = await signals.stream(RISK_LEVEL_CHANGE), await signals.setting.workload("other")
    await confirming(signals, workload)
    await stream.expect(workload.service_principal_id, RISK_LEVEL_CHANGE)
    [first] = [delivery.token for delivery in signals.receiver.at(stream.path)]

    def choose(text: str) -> Answer:
        subject = stream.read({jti_of(text): text})[0].principal
        return refused("invalid_request") if subject == workload.service_principal_id else ACCEPTED

    signals.receiver.answers[stream.path] = choose
    await graphs.dismiss(signals.setting.graph, workload.service_principal_id)
    await stream.wait(lambda: len(signals.receiver.at(stream.path)) > 1)
    await graphs.confirm(signals.setting.graph, other.service_principal_id)
    await stream.expect(other.service_principal_id, RISK_LEVEL_CHANGE, seconds=2)
    signals.receiver.answer(stream.path)
    await stream.wait(lambda: len(stream.about(workload.service_principal_id)) == 2, 60)
    assert jti_of(first) == stream.about(workload.service_principal_id)[0].jti


def jti_of(text: str) -> str:
    return claims(text)["jti"]


async def test_events_about_one_subject_keep_their_order(signals: Signals):
    """While the receiver fails now and then, and loses answers."""
    stream = await signals.stream(ACCOUNT_DISABLED, ACCOUNT_ENABLED)
    faults = [ACCEPTED, failing(500), ACCEPTED, LOST, refused("invalid_request"), ACCEPTED, failing(429), LOST]
    signals.receiver.answer(stream.path, *faults)
    workloads = [await signals.setting.workload("ordered") for _ in range(3)]
    for _ in range(4):
        for enabled in [False, True]:
            for one in workloads:
                await disable(signals, one, enabled)
    for one in workloads:
        await stream.wait(lambda one=one: len(stream.about(one.service_principal_id)) == 8, 90)
        types = [event.type for event in stream.about(one.service_principal_id)]
        assert types == [ACCOUNT_DISABLED, ACCOUNT_ENABLED] * 4


@pytest.mark.parametrize("how", ["asked to end", "killed"])
async def test_what_waits_survives_the_server(database: str, how: str):
    async with own_setting(database) as setting, signalling(setting) as signals:
        workload, stream = await setting.workload("payroll"), await signals.stream(RISK_LEVEL_CHANGE)
        signals.receiver.down()
        await confirming(signals, workload)
        await graphs.dismiss(setting.graph, workload.service_principal_id)
        if how == "killed":
            setting.server.process.send_signal(signal.SIGKILL)
            setting.server.process.wait()
            setting.server.process = None
        else:
            assert setting.server.stop() == 0
        signals.receiver.up()
        setting.server.start()
        await stream.wait(lambda: len(stream.about(workload.service_principal_id)) == 2, 30)
        levels = [one.payload["current_level"] for one in stream.about(workload.service_principal_id)]
        assert levels == ["HIGH", "LOW"]


async def test_a_receiver_with_a_certificate_that_nobody_knows(signals: Signals, workload: Workload, tmp_path):
    """The events wait; they do not go to somebody who only says that he is the receiver."""
    impostor = Receiver(Authority("nobody knows it"), tmp_path)
    try:
        http = await signals.client()
        response = await http.post(
            signals.configuration["configuration_endpoint"],
            json={
                "events_requested": [RISK_LEVEL_CHANGE],
                "delivery": {"method": PUSH, "endpoint_url": f"{impostor.url}/events"},
            },
        )
        assert response.status_code == 201, response.text
        await confirming(signals, workload)
        await asyncio.sleep(3)
        assert impostor.at("/events") == []
    finally:
        impostor.close()


# Poll (§6, RFC 8936).


async def poll_until(stream: Stream, enough: Callable[[list[Event]], bool], seconds: float = 20) -> list[Event]:
    """Polls and acknowledges until there is enough; all events, in order."""
    found: list[Event] = []
    ack: list[str] = []
    deadline = time.monotonic() + seconds
    while True:
        answer = await stream.poll(ack=ack)
        events = stream.read(answer["sets"])
        ack = [event.jti for event in events]
        found += events
        if enough(found) or time.monotonic() > deadline:
            await stream.poll(ack=ack, maxEvents=0)
            return found
        await asyncio.sleep(0.05)


def own(workload: Workload) -> Callable[[Event], bool]:
    return lambda event: event.principal == workload.service_principal_id


async def test_events_are_fetched(signals: Signals, workload: Workload):
    stream = await signals.stream(ACCOUNT_DISABLED, ACCOUNT_ENABLED, poll=True)
    for enabled in [False, True, False]:
        await disable(signals, workload, enabled)
    found = await poll_until(stream, lambda found: len(list(filter(own(workload), found))) == 3)
    events = list(filter(own(workload), found))
    assert [one.type for one in events] == [ACCOUNT_DISABLED, ACCOUNT_ENABLED, ACCOUNT_DISABLED]
    assert all(one.subject == signals.subject(workload) for one in events)
    assert (await stream.poll())["sets"] == {}


async def test_what_was_not_acknowledged_comes_again(signals: Signals, workload: Workload):
    stream = await signals.stream(ACCOUNT_DISABLED, poll=True)
    await disable(signals, workload)

    async def look() -> dict:
        return (await stream.poll())["sets"]

    first = await graphs.eventually(look)
    assert list(filter(own(workload), stream.read(first)))
    assert await look() == first, "nobody said that it arrived"
    response = await stream.poll(ack=list(first), maxEvents=0)
    assert response["sets"] == {}, "to acknowledge only"
    assert await look() == {}
    assert await stream.poll(ack=list(first)) == await stream.poll(ack=[str(uuid.uuid4())]), "twice is once"


async def test_a_few_at_a_time(signals: Signals, workload: Workload):
    stream = await signals.stream(ACCOUNT_DISABLED, ACCOUNT_ENABLED, poll=True)
    for enabled in [False, True, False]:
        await disable(signals, workload, enabled)
    found, ack, more = [], [], True
    await graphs.eventually(lambda: waiting(stream, 3))
    while more:
        answer = await stream.poll(maxEvents=1, ack=ack)
        assert len(answer["sets"]) <= 1
        ack = list(answer["sets"])
        found += stream.read(answer["sets"])
        more = answer.get("moreAvailable", False)
    assert [one.type for one in filter(own(workload), found)] == [ACCOUNT_DISABLED, ACCOUNT_ENABLED, ACCOUNT_DISABLED]


async def waiting(stream: Stream, count: int) -> bool:
    return len((await stream.poll())["sets"]) >= count


async def test_a_poll_waits_for_an_event(signals: Signals, workload: Workload):
    stream = await signals.stream(ACCOUNT_DISABLED, poll=True)
    pending = asyncio.create_task(stream.poll(returnImmediately=False))
    await asyncio.sleep(1)
    assert not pending.done(), "there is nothing yet"
    await disable(signals, workload)
    answer = await asyncio.wait_for(pending, 2)
    assert list(filter(own(workload), stream.read(answer["sets"])))


async def test_an_event_that_the_receiver_cannot_use(signals: Signals, workload: Workload):
    """RFC 8936: `setErrs`. It is noted and does not come again; those behind it come."""
    stream = await signals.stream(ACCOUNT_DISABLED, ACCOUNT_ENABLED, poll=True)
    await disable(signals, workload)
    await graphs.eventually(lambda: waiting(stream, 1))
    sets = (await stream.poll())["sets"]
    errors = {jti: {"err": "invalid_request", "description": "what is this?"} for jti in sets}
    await disable(signals, workload, True)
    await stream.poll(setErrs=errors, maxEvents=0)
    found = await poll_until(stream, lambda found: bool(list(filter(own(workload), found))))
    assert [one.type for one in filter(own(workload), found)] == [ACCOUNT_ENABLED]


@pytest.mark.parametrize("body", [{"maxEvents": -1}, {"maxEvents": "1"}, {"ack": "all"}, {"setErrs": []}], ids=str)
async def test_a_poll_that_cannot_be_read(signals: Signals, body: dict):
    stream = await signals.stream(poll=True)
    response = await stream.http.post(stream.document["delivery"]["endpoint_url"], json=body)
    assert response.status_code == 400, response.text


async def test_only_its_receiver_polls_a_stream(signals: Signals):
    stream, stranger = await signals.stream(poll=True), await signals.client()
    endpoint = stream.document["delivery"]["endpoint_url"]
    assert (await stranger.post(endpoint, json={"returnImmediately": True})).status_code == 404
    assert (await signals.setting.nobody.post(endpoint, json={"returnImmediately": True})).status_code == 401


async def test_two_receivers_get_the_same_events(signals: Signals, workload: Workload):
    """Each once, pushed or fetched, under ids of their own."""
    pushed, fetched = await signals.stream(RISK_LEVEL_CHANGE), await signals.stream(RISK_LEVEL_CHANGE, poll=True)
    await confirming(signals, workload)
    [one] = await pushed.expect(workload.service_principal_id, RISK_LEVEL_CHANGE)
    found = await poll_until(fetched, lambda found: bool(list(filter(own(workload), found))))
    [other] = list(filter(own(workload), found))
    assert (one.type, one.payload, one.subject) == (other.type, other.payload, other.subject)
    assert one.claims["txn"] == other.claims["txn"]
    assert one.claims["aud"] != other.claims["aud"]
