"""Two servers on one database: what one of them is told holds at the other."""

import asyncio
import select
import shutil
import socket
import threading
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import httpx
import pytest
from msgraph import GraphServiceClient
from msgraph.generated.applications.item.remove_password.remove_password_post_request_body import (
    RemovePasswordPostRequestBody,
)
from msgraph.generated.models.application import Application
from msgraph.generated.models.service_principal import ServicePrincipal
from msgraph.generated.models.user import User

from support import graph as graphs
from support.access import CAPABLE
from support.graph import Workload, grant
from support.keys import ASSERTION_TYPE, Key
from support.people import Authorization, Browser, Person, new_person, refresh
from support.refusals import assert_refused
from support.server import Server, Tenant, another_node, own_server
from support.tokens import claims, form, header

SOON = 1.0  # seconds until a node must know what another was told


@pytest.fixture(scope="session")
def database(database: str) -> str:
    if database != "postgres":
        pytest.skip("SQLite is for one node")
    return database


@dataclass
class Node:
    """One of the two, with everything allowed."""

    server: Server
    graph: GraphServiceClient
    http: httpx.AsyncClient

    @property
    def tenant(self) -> Tenant:
        return self.server.contoso

    async def ask(self, workload: Workload, secret: str | None = None) -> httpx.Response:
        fields = form(workload.app_id, client_secret=secret or workload.secret)
        return await self.http.post(f"/{self.tenant.id}/oauth2/v2.0/token", data=fields)

    async def token(self, workload: Workload) -> str:
        response = await self.ask(workload)
        assert response.status_code == 200, response.text
        return response.json()["access_token"]

    async def calls(self, token: str, path: str = "/servicePrincipals?$top=1") -> httpx.Response:
        return await self.http.get(f"/v1.0{path}", headers={"Authorization": f"Bearer {token}"})


@pytest.fixture(scope="module")
async def nodes(database: str) -> AsyncIterator[tuple[Node, Node]]:
    with own_server(database) as first, another_node(first) as second:
        first.start()
        second.start()
        admin = first.contoso.admin
        async with (
            graphs.signed_in(first, first.contoso, admin.client_id, admin.secret) as graph_a,
            graphs.signed_in(second, first.contoso, admin.client_id, admin.secret) as graph_b,
            httpx.AsyncClient(verify=graphs.tls(first), base_url=first.authority, trust_env=False, timeout=30) as a,
            httpx.AsyncClient(verify=graphs.tls(first), base_url=second.authority, trust_env=False, timeout=30) as b,
        ):
            yield Node(first, graph_a, a), Node(second, graph_b, b)


@pytest.fixture
def a(nodes: tuple[Node, Node]) -> Node:
    return nodes[0]


@pytest.fixture
def b(nodes: tuple[Node, Node]) -> Node:
    return nodes[1]


@pytest.fixture
async def workload(a: Node, b: Node) -> Workload:
    """Known to both nodes, which have answered it several times."""
    workload = await graphs.new_workload(a.graph)
    for node in [a, b, a, b]:
        await node.token(workload)
    return workload


async def soon(look: Callable[[], Awaitable[httpx.Response]], status: set[int]) -> httpx.Response:
    """The first answer of that kind, which must come within a second."""
    deadline = time.monotonic() + SOON
    while True:
        answer = await look()
        if answer.status_code in status or time.monotonic() > deadline:
            assert answer.status_code in status, answer.text
            return answer
        await asyncio.sleep(0.02)


REFUSED = {400, 401, 403}


async def test_a_new_application(a: Node, b: Node):
    """Also one that the other node was asked for before it was there."""
    application = await graphs.new_application(a.graph)
    before = await b.ask(Workload("", application.app_id, "", "", "x", ""))
    assert before.status_code in REFUSED
    principal = await graphs.new_service_principal(a.graph, application)
    secret = await graphs.new_secret(a.graph, application.id)
    made = Workload("", application.app_id, application.id, principal.id, secret.secret_text, str(secret.key_id))
    response = await soon(lambda: b.ask(made), {200})
    assert claims(response.json()["access_token"])["oid"] == principal.id
    assert (await b.graph.applications.by_application_id(application.id).get()).app_id == application.app_id


async def test_a_removed_secret(a: Node, b: Node, workload: Workload):
    other = await graphs.new_secret(a.graph, workload.object_id)
    await soon(lambda: b.ask(workload, other.secret_text), {200})
    item = a.graph.applications.by_application_id(workload.object_id)
    await item.remove_password.post(RemovePasswordPostRequestBody(key_id=other.key_id))
    assert_refused(await soon(lambda: b.ask(workload, other.secret_text), REFUSED), 7000215)
    assert (await b.ask(workload)).status_code == 200


async def test_a_disabled_service_principal(a: Node, b: Node, workload: Workload):
    token = await b.token(workload)
    item = a.graph.service_principals.by_service_principal_id(workload.service_principal_id)
    await item.patch(ServicePrincipal(account_enabled=False))
    assert_refused(await soon(lambda: b.ask(workload), REFUSED), 7000112)
    await soon(lambda: b.calls(token), {401})
    await item.patch(ServicePrincipal(account_enabled=True))
    await soon(lambda: b.ask(workload), {200})


async def test_a_deleted_application(a: Node, b: Node, workload: Workload):
    token = await b.token(workload)
    await a.graph.applications.by_application_id(workload.object_id).delete()
    await soon(lambda: b.ask(workload), REFUSED)
    await soon(lambda: b.calls(token), {401})


async def test_a_new_certificate(a: Node, b: Node, workload: Workload):
    key = Key()
    await graphs.set_certificates(a.graph, workload.object_id, key)
    audience = b.server.token_endpoint(b.tenant)

    async def ask() -> httpx.Response:
        fields = form(
            workload.app_id, client_assertion_type=ASSERTION_TYPE,
            client_assertion=key.assertion(workload.app_id, audience),
        )
        return await b.http.post(f"/{b.tenant.id}/oauth2/v2.0/token", data=fields)

    await soon(ask, {200})
    await a.graph.applications.by_application_id(workload.object_id).patch(Application(key_credentials=[]))
    await soon(ask, REFUSED)


async def test_a_granted_permission(a: Node, b: Node, workload: Workload):
    path = "/identityProtection/riskyServicePrincipals"
    assert (await b.calls(await b.token(workload), path)).status_code == 403
    assignment = await grant(a.graph, workload, "IdentityRiskyServicePrincipal.Read.All")

    async def look() -> httpx.Response:
        return await b.calls(await b.token(workload), path)

    await soon(look, {200})
    item = a.graph.service_principals.by_service_principal_id(workload.service_principal_id)
    await item.app_role_assignments.by_app_role_assignment_id(assignment.id).delete()
    await soon(look, {403})


async def test_the_other_way_round(a: Node, b: Node, workload: Workload):
    item = b.graph.service_principals.by_service_principal_id(workload.service_principal_id)
    await item.patch(ServicePrincipal(account_enabled=False))
    await soon(lambda: a.ask(workload), REFUSED)


async def test_a_token_holds_at_both(a: Node, b: Node):
    admin = a.tenant.admin
    workload = Workload("", admin.client_id, "", "", admin.secret, "")
    for issuer, other in [(a, b), (b, a)]:
        assert (await other.calls(await issuer.token(workload))).status_code == 200


async def test_the_keys_are_made_once(a: Node, b: Node):
    async def keys(node: Node) -> list[dict]:
        found = (await node.http.get(f"/{node.tenant.id}/discovery/v2.0/keys")).json()["keys"]
        return [{name: value for name, value in key.items() if name != "issuer"} for key in found]

    assert await keys(a) == await keys(b)
    [_] = await keys(a)
    admin = a.tenant.admin
    workload = Workload("", admin.client_id, "", "", admin.secret, "")
    assert header(await a.token(workload))["kid"] == header(await b.token(workload))["kid"]


async def test_risk_is_the_same(a: Node, b: Node, workload: Workload):
    await graphs.confirm(a.graph, workload.service_principal_id)
    item = b.graph.identity_protection.risky_service_principals.by_risky_service_principal_id(
        workload.service_principal_id
    )
    assert (await item.get()).risk_state.value == "confirmedCompromised"
    await graphs.dismiss(b.graph, workload.service_principal_id)
    assert len((await item.history.get()).value) == 2


async def test_sign_ins_of_both_are_in_the_log(a: Node, b: Node, workload: Workload):
    async def look() -> int:
        documents = (await a.http.get(
            "/beta/auditLogs/signIns",
            params={"$filter": "signInEventTypes/any(t: t eq 'servicePrincipal') "
                    f"and servicePrincipalId eq '{workload.service_principal_id}'"},
            headers={"Authorization": f"Bearer {await admin_token(a)}"},
        )).json()["value"]
        return len(documents)

    assert await graphs.eventually(look, lambda found: found >= 4) == 4


async def admin_token(node: Node) -> str:
    admin = node.tenant.admin
    return await node.token(Workload("", admin.client_id, "", "", admin.secret, ""))


async def test_one_code_at_two_nodes(a: Node, b: Node):
    """Taken at one of them, gone at the other."""
    person = await new_person(a.graph, a.tenant, "Security Reader")
    with Browser(a.server) as browser_a, Browser(b.server) as browser_b:
        request = Authorization(a.tenant)
        code = request.code(browser_a, person)
        tokens = request.exchange(browser_b.http, code)
        assert tokens.status_code == 200, tokens.text
        assert_refused(request.exchange(browser_a.http, code), 54005)
        token = tokens.json()["refresh_token"]
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(
                lambda n: refresh((browser_a, browser_b)[n % 2].http, a.tenant, token).status_code, range(8)
            ))
        assert sorted(answers) == [200] + [400] * 7


async def test_a_sign_in_goes_on_at_the_other_node(a: Node, b: Node):
    person = await new_person(a.graph, a.tenant)
    request = Authorization(a.tenant)
    with Browser(a.server) as browser_a, Browser(b.server) as browser_b:
        page = browser_a.open(request.url)
        assert browser_b.sign_in(page, person).answer["code"]


async def test_a_disabled_person(a: Node, b: Node):
    person: Person = await new_person(a.graph, a.tenant, "Security Reader")
    with Browser(b.server) as browser:
        token = Authorization(b.tenant).tokens(browser, person)["access_token"]
        assert (await b.calls(token, "/me")).status_code == 200
        await a.graph.users.by_user_id(person.id).patch(User(account_enabled=False))
        await soon(lambda: b.calls(token, "/me"), {401})


async def test_two_that_start_at_the_same_time(database: str):
    """A database that has no keys yet: they agree on one."""
    with own_server(database, second=False) as first, another_node(first) as second:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda node: node.start(), [first, second]))
        kids = []
        for node in [first, second]:
            with httpx.Client(verify=graphs.tls(node), base_url=node.authority, trust_env=False) as http:
                kids.append([key["kid"] for key in http.get(f"/{node.contoso.id}/discovery/v2.0/keys").json()["keys"]])
        assert kids[0] == kids[1] and len(kids[0]) == 1


async def test_one_goes_and_the_other_stays(database: str):
    with own_server(database, second=False) as first, another_node(first) as second:
        first.start()
        second.start()
        assert first.stop() == 0
        with httpx.Client(verify=graphs.tls(second), trust_env=False) as http:
            admin = second.contoso.admin
            answer = http.post(
                second.token_endpoint(second.contoso), data=form(admin.client_id, client_secret=admin.secret)
            )
        assert answer.status_code == 200


def test_another_master_key_is_refused(database: str, tmp_path: Path):
    """A node with a folder of its own would neither read the keys nor know a secret."""
    with own_server(database, second=False) as first:
        first.start()
        first.stop()
        folder = first.folder / "foreign"
        folder.mkdir()
        shutil.copytree(first.data, folder / "data")
        (folder / "data" / "master.key").write_text("00" * 32)
        done = Server(folder, first.database).run("serve", "--listen", "127.0.0.1:0")
    assert done.returncode == 2
    assert "panicked" not in done.stderr and len(done.stderr.splitlines()) <= 3


def test_init_leaves_a_database_in_use_alone(database: str, tmp_path: Path):
    with own_server(database, second=False) as first:
        done = Server(tmp_path, first.database).run("init", "--tenant-name", "Contoso", "--json")
        assert done.returncode == 2 and "already" in done.stderr
        assert first.contoso.id in first.done("tenant", "list")


async def test_a_key_made_at_one_node_is_known_at_the_other(a: Node, b: Node):
    """As when the tenant's algorithm changes: the first node that signs makes the key at once."""
    a.server.done("tenant", "update", "--tenant", a.tenant.id, "--signing-algorithm", "ES256")
    await asyncio.sleep(6)
    token = await admin_token(a)
    assert (await a.calls(token)).status_code == 200
    assert (await b.calls(token)).status_code == 200


class Wire:
    """The way to PostgreSQL. Whoever listens there can be cut off without being told, as by a firewall that forgets."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self.target = (parts.hostname, parts.port)
        self.is_cut = False
        self.listener = socket.create_server(("127.0.0.1", 0))
        port = self.listener.getsockname()[1]
        user = f"{parts.username}:{parts.password}" if parts.password else parts.username
        self.address = urlunsplit(parts._replace(netloc=f"{user}@127.0.0.1:{port}"))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.carry, args=(client,), daemon=True).start()

    def carry(self, client: socket.socket) -> None:
        listens = False
        with client, socket.create_connection(self.target) as server:
            while True:
                for one in select.select([client, server], [], [], 0.2)[0]:
                    try:
                        data = one.recv(1 << 16)
                        if not data:
                            return
                        listens = listens or (one is client and b"LISTEN" in data)
                        if not (self.is_cut and listens):
                            (server if one is client else client).sendall(data)
                    except OSError:
                        return


DEAF_SECONDS = 10  # in which a node must notice that it hears nothing


async def test_a_node_that_hears_nothing_keeps_nothing(database: str):
    """Decision 9. The connection is not closed: nothing comes through it any more, and that looks like silence."""
    with own_server(database, second=False) as first, another_node(first) as second:
        first.start()
        wire = Wire(first.database)
        second.database = wire.address
        second.start()
        admin = first.contoso.admin
        async with (
            graphs.signed_in(first, first.contoso, admin.client_id, admin.secret) as graph,
            httpx.AsyncClient(verify=graphs.tls(first), base_url=second.authority, trust_env=False, timeout=30) as http,
        ):
            node = Node(second, graph, http)
            workload = await graphs.new_workload(graph)
            await grant(graph, workload, "Application.Read.All")
            token = await node.token(workload)
            assert (await node.calls(token)).status_code == 200
            wire.is_cut = True
            await graph.service_principals.by_service_principal_id(workload.service_principal_id).patch(
                ServicePrincipal(account_enabled=False)
            )
            try:
                await graphs.eventually(
                    lambda: node.calls(token), lambda answer: answer.status_code == 401, DEAF_SECONDS
                )
                assert (await node.calls(token)).status_code == 401
                assert (await node.ask(workload)).status_code in REFUSED
            finally:
                wire.is_cut = False


async def test_no_token_of_a_secret_that_is_removed_at_the_other_node(a: Node, b: Node):
    """What one node issues before it hears of the removal at the other is worth nothing a second later."""
    for _ in range(8):
        workload = await graphs.new_workload(a.graph, "raced", sign_in_audience="AzureADMyOrg")
        await grant(a.graph, workload, "Application.Read.All")
        tokens: list[str] = []
        done = asyncio.Event()

        async def programs() -> None:
            fields = form(workload.app_id, client_secret=workload.secret, claims=CAPABLE)
            while not done.is_set():
                response = await b.http.post(f"/{b.tenant.id}/oauth2/v2.0/token", data=fields)
                tokens.append(response.json().get("access_token"))

        async def removed() -> None:
            await asyncio.sleep(0.2)
            body = RemovePasswordPostRequestBody(key_id=uuid.UUID(workload.secret_id))
            await a.graph.applications.by_application_id(workload.object_id).remove_password.post(body)
            await asyncio.sleep(SOON)
            done.set()

        await asyncio.gather(removed(), *(programs() for _ in range(8)))
        issued = [token for token in tokens if token]
        assert issued
        for node in [a, b]:
            answers = [(await node.calls(token)).status_code for token in issued]
            assert set(answers) == {401}, f"{answers.count(200)} of {len(answers)} are still good"
