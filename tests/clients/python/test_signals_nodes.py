"""Shared Signals with two servers on one database: one of them sends, either hands out, and neither is missed."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from msgraph.generated.models.service_principal import ServicePrincipal

from support.access import Setting, opened
from support.receiver import ACCOUNT_DISABLED, ACCOUNT_ENABLED, Stream
from support.server import Server, another_node, own_server
from support.signals import Signals, signalling


@pytest.fixture(scope="session")
def database(database: str) -> str:
    if database != "postgres":
        pytest.skip("SQLite is for one node")
    return database


@dataclass
class Pair:
    """Two nodes; streams are made at the first."""

    signals: Signals
    second: Setting

    async def disable(self, at: Setting, id: str, enabled: bool = False) -> None:
        await at.graph.service_principals.by_service_principal_id(id).patch(ServicePrincipal(account_enabled=enabled))


@pytest.fixture
async def pair(database: str) -> AsyncIterator[Pair]:
    with own_server(database) as first, another_node(first) as second:
        first.start()
        second.start()
        async with (
            opened(first, first.contoso) as setting, opened(second, first.contoso) as other,
            signalling(setting) as signals,
        ):
            yield Pair(signals, other)


async def test_what_either_is_told_is_sent_once(pair: Pair):
    stream = await pair.signals.stream(ACCOUNT_DISABLED, ACCOUNT_ENABLED)
    workloads = [await pair.signals.setting.workload("payroll") for _ in range(6)]
    for number, workload in enumerate(workloads):
        at = [pair.signals.setting, pair.second][number % 2]
        await pair.disable(at, workload.service_principal_id)
    for workload in workloads:
        await stream.expect(workload.service_principal_id, ACCOUNT_DISABLED)
    await asyncio.sleep(2)
    assert len(pair.signals.receiver.at(stream.path)) == len(stream.events()) == len(workloads)


async def test_the_order_is_kept_whoever_is_told(pair: Pair):
    stream = await pair.signals.stream(ACCOUNT_DISABLED, ACCOUNT_ENABLED)
    workload = await pair.signals.setting.workload("payroll")
    for number in range(10):
        at = [pair.signals.setting, pair.second][number % 2]
        await pair.disable(at, workload.service_principal_id, enabled=number % 2 == 1)
    await stream.wait(lambda: len(stream.about(workload.service_principal_id)) == 10)
    types = [event.type for event in stream.about(workload.service_principal_id)]
    assert types == [ACCOUNT_DISABLED, ACCOUNT_ENABLED] * 5


async def test_a_poll_at_one_hears_what_the_other_is_told(pair: Pair):
    stream = await pair.signals.stream(ACCOUNT_DISABLED, poll=True)
    workload = await pair.signals.setting.workload("payroll")
    pending = asyncio.create_task(stream.poll(returnImmediately=False))
    await asyncio.sleep(0.5)
    assert not pending.done()
    begun = time.monotonic()
    await pair.disable(pair.second, workload.service_principal_id)
    answer = await asyncio.wait_for(pending, 5)
    assert [event.principal for event in stream.read(answer["sets"])] == [workload.service_principal_id]
    assert time.monotonic() - begun < 1


@pytest.mark.parametrize("which", [0, 1])
async def test_the_other_sends_when_one_is_killed(pair: Pair, which: int):
    """Whichever of them it was that sent."""
    stream = await pair.signals.stream(ACCOUNT_DISABLED, ACCOUNT_ENABLED)
    workload = await pair.signals.setting.workload("payroll")
    await pair.disable(pair.signals.setting, workload.service_principal_id)
    await stream.expect(workload.service_principal_id, ACCOUNT_DISABLED)
    settings = [pair.signals.setting, pair.second]
    gone: Server = settings[which].server
    gone.process.kill()
    gone.process.wait()
    gone.process = None
    await pair.disable(settings[1 - which], workload.service_principal_id, enabled=True)
    await stream.expect(workload.service_principal_id, ACCOUNT_DISABLED, ACCOUNT_ENABLED)
    types = [event.type for event in stream.about(workload.service_principal_id)]
    assert types == [ACCOUNT_DISABLED, ACCOUNT_ENABLED]


async def test_keys_that_one_made_sign_at_the_other(database: str):
    """Events are signed by RS256, which the tokens of a tenant need not be; the first stream makes the key."""
    with own_server(database, algorithm="ES256") as first, another_node(first) as second:
        first.start()
        second.start()
        async with opened(first, first.contoso) as setting, signalling(setting) as signals:
            stream = await signals.stream(ACCOUNT_DISABLED, poll=True)
            workload = await setting.workload("payroll")
            await Pair(signals, setting).disable(setting, workload.service_principal_id)
            url = stream.document["delivery"]["endpoint_url"].replace(first.authority, second.authority)
            response = await stream.http.post(url, json={"returnImmediately": True})
            assert response.status_code == 200, response.text
            keys = (await setting.nobody.get(signals.configuration["jwks_uri"])).json()
            seen = Stream(stream.http, stream.configuration, keys, stream.document)
            assert [event.principal for event in seen.read(response.json()["sets"])] == [workload.service_principal_id]
