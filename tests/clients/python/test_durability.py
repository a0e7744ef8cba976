"""What was acknowledged is there, once, after the process was killed in the middle of it.

Several workers write and ask for tokens over connections that stay open. At a random moment the server gets SIGKILL and
is started again on the same data, a few times over. Each worker notes what was answered in full, and what it had asked
for without an answer: that may or may not have happened, but never twice and never by half.

COUNTERSIGN_TEST_OPERATIONS   how many answers to collect (10000 unless set: half a minute)
COUNTERSIGN_TEST_SEED         repeats the choices of a run, though not its timing
"""

import asyncio
import contextlib
import os
import random
import signal
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from support import graph as graphs
from support.server import GRAPH_SCOPE, Server, own_database
from support.tokens import form, token

OPERATIONS = int(os.environ.get("COUNTERSIGN_TEST_OPERATIONS", "10000"))
ROUNDS = 10
WORKERS = 12
SECRETS_MAX = 20  # of one application

ADD_APPLICATION = "Add application"
UPDATE_APPLICATION = "Update application"
ADD_PRINCIPAL = "Add service principal"
ADD_SECRET = "Update application \u2013 Certificates and secrets management "


@dataclass
class Workload:
    """An application as its worker knows it. Only that worker renames it; all workers add secrets."""

    object_id: str
    app_id: str
    names: set[str]  # the last one that was acknowledged, and one that was asked for since
    principal_id: str | None = None
    secrets: list[str] = field(default_factory=list)
    secrets_asked: int = 0


@dataclass
class Acknowledged:
    """What the server answered in full."""

    workloads: list[Workload] = field(default_factory=list)
    sign_ins: dict[str, int] = field(default_factory=dict)  # x-ms-request-id: error code, 0 for a token
    changes: dict[str, tuple[str, str]] = field(default_factory=dict)  # client-request-id: activity, id of the target
    asked: set[str] = field(default_factory=set)  # client-request-id of every change, answered or not
    refused: list[str] = field(default_factory=list)  # changes that were refused, and none should be

    def __len__(self) -> int:
        return len(self.sign_ins) + len(self.changes)


class Refused(Exception):
    """A change was answered with an error."""


class Worker:
    def __init__(self, server: Server, bearer: str, done: Acknowledged, choices: random.Random):
        self.server = server
        self.done = done
        self.choices = choices
        self.bearer = bearer
        self.own: list[Workload] = []

    async def run(self, http: httpx.AsyncClient) -> None:
        """Until the server is gone."""
        with contextlib.suppress(httpx.TransportError):
            while True:
                try:
                    await self.step(http)
                except Refused as error:
                    self.done.refused.append(str(error))

    async def step(self, http: httpx.AsyncClient) -> None:
        ready = [workload for workload in self.done.workloads if workload.secrets and workload.principal_id]
        choice = self.choices.random()
        if not self.own or choice < 0.08:
            await self.add_application(http)
        elif choice < 0.20:
            await self.rename(http, self.choices.choice(self.own))
        elif choice < 0.40 or not ready:
            workload = self.choices.choice(self.done.workloads)
            if workload.secrets_asked < SECRETS_MAX:
                await self.add_secret(http, workload)
        elif choice < 0.75:
            workload = self.choices.choice(ready)
            await self.sign_in(http, workload, self.choices.choice(workload.secrets))
        else:
            await self.sign_in(http, self.choices.choice(ready), "wrong")

    async def change(
        self, http: httpx.AsyncClient, method: str, path: str, body: dict, activity: str, target: str = ""
    ) -> dict:
        """Asks for a change, and notes that it was answered."""
        correlation_id = str(uuid.UUID(int=self.choices.getrandbits(128), version=4))
        headers = {"Authorization": f"Bearer {self.bearer}", "client-request-id": correlation_id}
        self.done.asked.add(correlation_id)
        answer = await http.request(method, f"/v1.0/{path}", json=body, headers=headers)
        if not answer.is_success:
            raise Refused(f"{method} {path}: {answer.status_code} {answer.text}")
        document = answer.json() if answer.content else {}
        self.done.changes[correlation_id] = (activity, target or document["id"])
        return document

    async def add_application(self, http: httpx.AsyncClient) -> None:
        name = graphs.unique("durable")
        made = await self.change(http, "POST", "applications", {"displayName": name}, ADD_APPLICATION)
        workload = Workload(made["id"], made["appId"], {name})
        self.own.append(workload)
        self.done.workloads.append(workload)
        # Without one, if the server is gone by now: its secrets are not tried then.
        made = await self.change(http, "POST", "servicePrincipals", {"appId": workload.app_id}, ADD_PRINCIPAL)
        workload.principal_id = made["id"]

    async def rename(self, http: httpx.AsyncClient, workload: Workload) -> None:
        name = graphs.unique("renamed")
        workload.names.add(name)
        path = f"applications/{workload.object_id}"
        await self.change(http, "PATCH", path, {"displayName": name}, UPDATE_APPLICATION, workload.object_id)
        workload.names = {name}

    async def add_secret(self, http: httpx.AsyncClient, workload: Workload) -> None:
        workload.secrets_asked += 1
        path = f"applications/{workload.object_id}/addPassword"
        body = {"passwordCredential": {"displayName": "durable"}}
        made = await self.change(http, "POST", path, body, ADD_SECRET, workload.object_id)
        workload.secrets.append(made["secretText"])

    async def sign_in(self, http: httpx.AsyncClient, workload: Workload, secret: str) -> None:
        path = f"/{self.server.contoso.id}/oauth2/v2.0/token"
        answer = await http.post(path, data=form(workload.app_id, client_secret=secret))
        expected = (401, 7000215) if secret == "wrong" else (200, 0)
        code = 0 if answer.is_success else answer.json()["error_codes"][0]
        assert (answer.status_code, code) == expected, answer.text
        request_id = answer.headers["x-ms-request-id"]
        assert request_id not in self.done.sign_ins, "two requests have the same id"
        assert code == 0 or answer.json()["trace_id"] == request_id
        self.done.sign_ins[request_id] = code


@contextlib.asynccontextmanager
async def connections(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    limits = httpx.Limits(max_connections=WORKERS, max_keepalive_connections=WORKERS)
    async with httpx.AsyncClient(
        verify=graphs.tls(server), base_url=server.authority, timeout=60, limits=limits
    ) as http:
        yield http


async def work_until_killed(server: Server, workers: list[Worker], done: Acknowledged, enough: int) -> None:
    """Lets the workers work until `enough` was acknowledged, and then kills the server wherever it is."""
    async with connections(server) as http:
        running = [asyncio.ensure_future(worker.run(http)) for worker in workers]
        while len(done) < enough and not any(task.done() for task in running):
            await asyncio.sleep(0.005)
        await asyncio.sleep(random.random() * 0.02)
        server.process.kill()
        assert server.process.wait() == -signal.SIGKILL, f"it ended by itself:\n{server.log_tail()}"
        server.process = None
        await asyncio.gather(*running)


async def all_of(http: httpx.AsyncClient, bearer: str, path: str) -> list[dict]:
    """Every object of a collection, page by page."""
    found: list[dict] = []
    url: str | None = path
    while url:
        answer = await http.get(url, headers={"Authorization": f"Bearer {bearer}"})
        assert answer.status_code == 200, answer.text
        document = answer.json()
        found += document["value"]
        url = document.get("@odata.nextLink")
    return found


@pytest.fixture(scope="module")
async def survivor(database: str, tmp_path_factory) -> AsyncIterator[tuple[Server, str, Acknowledged]]:
    """A server that was killed and started again, with what it had acknowledged."""
    seed = int(os.environ.get("COUNTERSIGN_TEST_SEED", random.randrange(1 << 32)))
    print(f"COUNTERSIGN_TEST_SEED={seed}")
    with own_database(database) as address:
        folder: Path = tmp_path_factory.mktemp("durability")
        server = Server(folder, address)
        server.make_tenants()
        server.start()
        try:
            admin = server.contoso.admin
            async with connections(server) as http:
                bearer = await token(http, server, server.contoso, admin.client_id, admin.secret, GRAPH_SCOPE)
            done = Acknowledged()
            workers = [Worker(server, bearer, done, random.Random(seed + number)) for number in range(WORKERS)]
            for number in range(1, ROUNDS + 1):
                await work_until_killed(server, workers, done, OPERATIONS * number // ROUNDS)
                server.start()
            print(f"{len(done)} acknowledged: {len(done.sign_ins)} token requests, {len(done.changes)} changes")
            yield server, bearer, done
        finally:
            if server.process is not None:
                server.stop()


async def test_no_change_was_refused(survivor):
    """Nobody sent a version that a change depends on, so changes of one object at the same moment all happen."""
    _, _, done = survivor
    assert done.refused == [], f"{len(done.refused)} of {len(done.asked)}"


async def test_every_application_is_there_once_with_its_last_name(survivor):
    server, bearer, done = survivor
    async with connections(server) as http:
        found = await all_of(http, bearer, "/v1.0/applications?$top=999&$select=id,appId,displayName")
    times = Counter(application["id"] for application in found)
    assert {id: number for id, number in times.items() if number > 1} == {}
    names = {application["id"]: application["displayName"] for application in found}
    wrong = [
        (workload.object_id, names.get(workload.object_id), workload.names)
        for workload in done.workloads
        if names.get(workload.object_id) not in workload.names
    ]
    assert wrong == [], f"{len(wrong)} of {len(done.workloads)}"


async def test_every_service_principal_is_there_once_with_its_applications_last_name(survivor):
    server, bearer, done = survivor
    async with connections(server) as http:
        found = await all_of(http, bearer, "/v1.0/servicePrincipals?$top=999&$select=id,appId,appDisplayName")
    times = Counter(principal["appId"] for principal in found)
    assert {app_id: number for app_id, number in times.items() if number > 1} == {}
    names = {principal["id"]: principal["appDisplayName"] for principal in found}
    wrong = [
        (workload.principal_id, names.get(workload.principal_id), workload.names)
        for workload in done.workloads
        if workload.principal_id and names.get(workload.principal_id) not in workload.names
    ]
    assert wrong == []


async def test_every_secret_works(survivor):
    server, _, done = survivor
    refused: list[str] = []
    # Asking leaves sign-ins too; they are not among those that the other tests look for.
    async with connections(server) as http:

        async def try_secrets(workload: Workload) -> None:
            for secret in workload.secrets if workload.principal_id else []:
                fields = form(workload.app_id, client_secret=secret)
                answer = await http.post(f"/{server.contoso.id}/oauth2/v2.0/token", data=fields)
                if answer.status_code != 200:
                    refused.append(f"{workload.app_id}: {answer.text}")

        await asyncio.gather(*(try_secrets(workload) for workload in done.workloads))
    assert refused == []


async def test_every_token_request_has_one_record(survivor):
    server, bearer, done = survivor
    async with connections(server) as http:
        types = "signInEventTypes/any(t: t eq 'servicePrincipal')"
        found = await all_of(http, bearer, f"/beta/auditLogs/signIns?$filter={types}")
    times = Counter(record["id"] for record in found)
    assert {id: number for id, number in times.items() if number > 1} == {}
    codes = {record["id"]: record["status"]["errorCode"] for record in found}
    wrong = {id: (code, codes.get(id)) for id, code in done.sign_ins.items() if codes.get(id) != code}
    assert wrong == {}, f"{len(wrong)} of {len(done.sign_ins)}"


async def test_every_change_has_one_record(survivor):
    server, bearer, done = survivor
    async with connections(server) as http:
        found = await all_of(http, bearer, "/v1.0/auditLogs/directoryAudits")
    assert len({record["id"] for record in found}) == len(found)
    of_ours = [record for record in found if record["correlationId"] in done.asked]
    times = Counter(record["correlationId"] for record in of_ours)
    assert {id: number for id, number in times.items() if number > 1} == {}
    assert {activity for activity, _ in done.changes.values()} == {
        ADD_APPLICATION, UPDATE_APPLICATION, ADD_PRINCIPAL, ADD_SECRET
    }, "the run was too short to say anything"
    recorded = {
        record["correlationId"]: (record["activityDisplayName"], record["targetResources"][0]["id"])
        for record in of_ours
    }
    wrong = {id: (change, recorded.get(id)) for id, change in done.changes.items() if recorded.get(id) != change}
    assert wrong == {}, f"{len(wrong)} of {len(done.changes)}"


async def test_nothing_is_there_by_half(survivor):
    """Also what was never acknowledged: the change and its record are there together, or neither of them."""
    server, bearer, done = survivor
    async with connections(server) as http:
        audits = await all_of(http, bearer, "/v1.0/auditLogs/directoryAudits")
        applications = await all_of(http, bearer, "/v1.0/applications?$top=999")
        principals = await all_of(http, bearer, "/v1.0/servicePrincipals?$top=999")
    targets = {
        activity: Counter(
            record["targetResources"][0]["id"]
            for record in audits
            if record["correlationId"] in done.asked and record["activityDisplayName"] == activity
        )
        for activity in [ADD_APPLICATION, ADD_PRINCIPAL, ADD_SECRET]
    }
    ours = [entity for entity in applications if entity["displayName"].startswith(("durable-", "renamed-"))]
    assert targets[ADD_APPLICATION] == Counter(entity["id"] for entity in ours)
    assert targets[ADD_SECRET] == Counter(
        {entity["id"]: len(entity["passwordCredentials"]) for entity in ours if entity["passwordCredentials"]}
    )
    app_ids = {entity["appId"] for entity in ours}
    assert targets[ADD_PRINCIPAL] == Counter(entity["id"] for entity in principals if entity["appId"] in app_ids)
