"""The server under test: made with `init`, run with `serve`, ended with SIGTERM.

Everything that is known of its command line stands here.
"""

import contextlib
import json
import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from support.keys import Authority

GRAPH_SCOPE = "https://graph.microsoft.com/.default"
READY = re.compile(r"listening on https://(?:127\.0\.0\.1|localhost):(\d+)")
START_SECONDS = 60
STOP_SECONDS = 30


class Unusable(Exception):
    """The server cannot be tested: it is missing, or does not start."""


@dataclass(frozen=True)
class AdminApp:
    """An application with every permission of Graph."""

    client_id: str
    secret: str
    object_id: str
    service_principal_id: str


@dataclass(frozen=True)
class Tenant:
    id: str
    domain: str
    name: str
    admin: AdminApp
    user_principal_name: str
    password: str

    @classmethod
    def parse(cls, name: str, document: dict) -> "Tenant":
        app, user = document["adminApp"], document["adminUser"]
        return cls(
            id=document["tenantId"],
            domain=document["tenantDomain"],
            name=name,
            admin=AdminApp(app["clientId"], app["clientSecret"], app["objectId"], app["servicePrincipalId"]),
            user_principal_name=user["userPrincipalName"],
            password=user["password"],
        )


def binary() -> str:
    """The path of the binary under test."""
    value = os.environ.get("COUNTERSIGN")
    if not value:
        raise Unusable("COUNTERSIGN is not set: it names the `countersign` binary to be tested")
    path = shutil.which(value)
    if path is None:
        raise Unusable(f"COUNTERSIGN names `{value}`, which is not there or is not executable")
    return str(Path(path).resolve())


def databases() -> list[str]:
    """What the tests run on: SQLite, and PostgreSQL where there is one to test with."""
    return ["sqlite", "postgres"] if os.environ.get("COUNTERSIGN_TEST_DATABASE") else ["sqlite"]


@contextlib.contextmanager
def own_database(kind: str) -> Iterator[str | None]:
    """The address of a new, empty database for one server; nothing for SQLite, which lives in the data folder."""
    if kind == "sqlite":
        yield None
        return
    address = os.environ["COUNTERSIGN_TEST_DATABASE"]
    name = f"countersign_test_{uuid.uuid4().hex[:12]}"
    sql(address, f'CREATE DATABASE "{name}"')
    try:
        yield urlunsplit(urlsplit(address)._replace(path=f"/{name}"))
    finally:
        sql(address, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def sql(address: str, command: str) -> None:
    """Runs one command on the PostgreSQL server at `address`."""
    try:
        done = subprocess.run(
            ["psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--command={command}", address],
            capture_output=True, text=True, timeout=60,
        )
    except FileNotFoundError:
        raise Unusable("COUNTERSIGN_TEST_DATABASE is set, and `psql` is not installed") from None
    if done.returncode != 0:
        raise Unusable(f"`{command}` failed on COUNTERSIGN_TEST_DATABASE: {done.stderr.strip()}")


@dataclass
class Server:
    """A data folder, and the process that serves it while it runs."""

    folder: Path
    database: str | None = None
    tenants: list[Tenant] = field(default_factory=list)
    ca: str = ""
    port: int = 0
    process: subprocess.Popen | None = None
    # What `serve --config` is given, if anything.
    configuration: str = ""
    # What the environment of `serve` has beside what every server here needs.
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Whoever issues foreign tokens for workload identity federation: see support/issuer.py.
        self.issuers = Authority("Issuers of the tests")
        self.issuers_ca = self.folder / "issuers-ca.pem"
        self.issuers_ca.write_bytes(self.issuers.pem_certificate)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    @property
    def contoso(self) -> Tenant:
        return self.tenants[0]

    @property
    def fabrikam(self) -> Tenant:
        """A second tenant of the same server."""
        return self.tenants[1]

    @property
    def authority(self) -> str:
        """What goes before the tenant. The clients' Graph lives on the same host."""
        return f"https://localhost:{self.port}"

    def token_endpoint(self, tenant: Tenant, version: str = "v2.0") -> str:
        path = "oauth2/token" if version == "v1.0" else f"oauth2/{version}/token"
        return f"{self.authority}/{tenant.id}/{path}"

    def arguments(self, *words: str) -> list[str]:
        """A command line of the binary that concerns this server's data."""
        database = ["--database", self.database] if self.database else []
        return [binary(), *words, "--data", str(self.data), *database]

    def environment(self) -> dict[str, str]:
        """For `serve`: issuers on this machine may be asked for their keys."""
        return os.environ | {
            "COUNTERSIGN_OUTBOUND_CA": str(self.issuers_ca),
            "COUNTERSIGN_OUTBOUND_ALLOW_PRIVATE": "true",
        } | self.variables

    def run(self, *words: str) -> subprocess.CompletedProcess:
        """Runs a command of the binary to its end."""
        return subprocess.run(
            self.arguments(*words), capture_output=True, text=True, timeout=START_SECONDS, stdin=subprocess.DEVNULL
        )

    def done(self, *words: str) -> str:
        """What a command prints that must succeed."""
        done = self.run(*words)
        if done.returncode != 0:
            raise Unusable(f"`countersign {' '.join(words)}` ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def analyze(self, *words: str) -> subprocess.CompletedProcess:
        """Runs `analyze`, whose `--into` takes the database from the environment."""
        database = {"COUNTERSIGN_DATABASE": self.database} if self.database else {}
        return subprocess.run(
            [binary(), "analyze", *words], capture_output=True, text=True, timeout=START_SECONDS,
            stdin=subprocess.DEVNULL, env=os.environ | database,
        )

    def make_tenant(self, name: str, *more: str) -> Tenant:
        """`init` for the first one, `tenant create` for the others."""
        words = ["tenant", "create"] if self.tenants else ["init"]
        document = json.loads(self.done(*words, "--tenant-name", name, "--json", *more))
        self.tenants.append(Tenant.parse(name, document))
        self.ca = document["caCertificate"]
        return self.tenants[-1]

    def make_tenants(self) -> None:
        self.make_tenant("Contoso")
        self.make_tenant("Fabrikam")

    def start(self) -> None:
        """Runs `serve` and waits until it says that it listens."""
        log = self.log.open("ab")
        words = ["serve", "--listen", f"127.0.0.1:{self.port}"]
        if self.configuration:
            file = self.folder / "countersign.toml"
            file.write_text(self.configuration)
            words += ["--config", str(file)]
        self.process = subprocess.Popen(
            self.arguments(*words),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True, env=self.environment(),
        )
        ready: queue.Queue[str | None] = queue.Queue()

        def read(output) -> None:
            for line in output:
                ready.put(line)
            ready.put(None)

        threading.Thread(target=read, args=(self.process.stdout,), daemon=True).start()
        try:
            line = ready.get(timeout=START_SECONDS)
        except queue.Empty:
            line = ""
        found = READY.search(line or "")
        if not found:
            self.process.kill()
            self.process.wait()
            raise Unusable(f"`countersign serve` did not say that it listens, but {line!r}:\n{self.log_tail()}")
        self.port = int(found[1])

    def stop(self) -> int:
        """Asks the server to end, as a service manager does, and returns its exit status."""
        assert self.process is not None, "the server was never started"
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the server did not end within {STOP_SECONDS} s of SIGTERM") from None
        finally:
            self.process = None

    def log_tail(self, lines: int = 40) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""


@contextlib.contextmanager
def own_server(
    kind: str, *, second: bool = True, tenant_id: str | None = None, algorithm: str = "RS256"
) -> Iterator[Server]:
    """A server of its own, set up and not started; it is stopped afterwards, should it run."""
    with tempfile.TemporaryDirectory(prefix="countersign-") as folder, own_database(kind) as database:
        server = Server(Path(folder), database)
        words = ["--tenant-id", tenant_id] if tenant_id else []
        server.make_tenant("Contoso", "--signing-algorithm", algorithm, *words)
        if second:
            server.make_tenant("Fabrikam")
        try:
            yield server
        finally:
            if server.process is not None:
                server.stop()


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def serving(kind: str) -> Iterator[Server]:
    """A server with two tenants on a database of its own, for as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="countersign-") as folder, own_database(kind) as database:
        server = Server(Path(folder), database)
        server.make_tenants()
        server.start()
        try:
            yield server
        finally:
            if server.process is not None:
                alive = server.process.poll() is None
                status = server.stop()
                assert alive, f"the server ended by itself with {status}:\n{server.log_tail()}"
                assert status == 0, f"the server ended with {status} after SIGTERM:\n{server.log_tail()}"


@contextlib.contextmanager
def another_node(first: Server) -> Iterator[Server]:
    """A server with a copy of the folder, and so of the master key, on the same database."""
    folder = first.folder / "another"
    folder.mkdir()
    shutil.copytree(first.data, folder / "data")
    node = Server(folder, first.database, tenants=first.tenants, ca=first.ca, configuration=first.configuration)
    node.issuers_ca.write_bytes(first.issuers_ca.read_bytes())
    try:
        yield node
    finally:
        if node.process is not None:
            node.stop()
        shutil.rmtree(folder)
