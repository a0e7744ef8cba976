"""How the server is configured, what it says of mistakes, and how it ends."""

import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from support import graph as graphs
from support.keys import Authority
from support.server import Server, free_port, own_server
from support.tokens import claims, form


@pytest.fixture
def fresh(database: str) -> Iterator[Server]:
    """A server of its own, set up and not started."""
    with own_server(database, second=False) as server:
        yield server


@pytest.fixture(scope="module")
def folder(database: str) -> Iterator[Server]:
    """A data folder that no test changes, for servers that do not start."""
    if database != "sqlite":
        pytest.skip("one database is enough")
    with own_server(database, second=False) as server:
        # The first start makes keys, and says so.
        server.start()
        server.stop()
        yield server


def serve(server: Server, text: str | None = None, *words: str, **variables: str) -> subprocess.CompletedProcess:
    """`serve` that is to fail."""
    if text is not None:
        file = server.folder / "own.toml"
        file.write_text(text)
        words = ("--config", str(file), *words)
    if "--listen" not in words and "listen" not in (text or ""):
        words = ("--listen", "127.0.0.1:0", *words)
    return subprocess.run(
        server.arguments("serve", *words), capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL,
        env=os.environ | variables,
    )


def assert_one_line(done: subprocess.CompletedProcess, *parts: str) -> None:
    assert done.returncode == 2, done
    assert not done.stdout
    [line] = done.stderr.splitlines()
    assert line.startswith("error: ")
    for part in parts:
        assert part in line


def ask(server: Server, **more: object) -> httpx.Response:
    admin = server.contoso.admin
    with httpx.Client(verify=graphs.tls(server), trust_env=False, timeout=30, **more) as client:
        return client.post(
            server.token_endpoint(server.contoso), data=form(admin.client_id, client_secret=admin.secret)
        )


# Mistakes.


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        ('lisen = "127.0.0.1:0"', 1, "lisen"),
        ('\n# a remark\n[token]\nlifetime = 3600\n', 4, "lifetime"),
        ('names = ["localhost"]\n\n[limits]\ntoken_per_minute = 3', 4, "token_per_minute"),
        ('[tokens]\nlifetime_seconds = 3600', 1, "tokens"),
        ('[managed_identity]\nport = 1', 2, "port"),
        ('[oidc]\nissuer = "https://a.example"\nclient_id = "a"\nclient_secret_file = "b"\nscope = "c"', 5, "scope"),
    ],
)
def test_an_unknown_key_is_named_with_its_line(folder: Server, text: str, line: int, key: str):
    assert_one_line(serve(folder, text), "own.toml", f"line {line}", f"`{key}`")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ('listen = "8443"', ["`listen`", "`8443`", "127.0.0.1:8443"]),
        ('listen = 8443', ["line 1"]),
        ('names = []', ["`names`"]),
        ('names = ["https://id.example.com/"]', ["`names`"]),
        ('names = "localhost"', ["line 1"]),
        ('certificate = "a.pem"', ["`certificate`", "`certificate_key`"]),
        ('certificate = "none.pem"\ncertificate_key = "none.key"', ["none.pem"]),
        ('[token]\nlifetime_seconds = 5', ["`token.lifetime_seconds`", "600", "86400"]),
        ('[token]\nlifetime_seconds = -1', ["line 2"]),
        ('[token]\nlifetime_seconds = "an hour"', ["line 2"]),
        ('[token]\nkey_rotation_days = 1', ["`token.key_rotation_days`"]),
        ('trusted_proxies = ["10.0.0.0/8"]', ["line 1"]),
        ('[managed_identity]\nlisten = "127.0.0.1:1"', ["`managed_identity.tenant`"]),
        ('[outbound]\nca = "none.pem"', ["`outbound.ca`", "none.pem"]),
        ('[oidc]\nissuer = "https://a.example"', ["line 1", "client_id"]),
        ('listen = "127.0.0.1:0"\nlisten = "127.0.0.1:1"', ["line 2", "duplicate"]),
        ('listen = ', ["line 1"]),
    ],
)
def test_a_bad_value_is_named(folder: Server, text: str, parts: list[str]):
    assert_one_line(serve(folder, text), *parts)


def test_a_bad_variable_is_named(folder: Server):
    assert_one_line(
        serve(folder, None, COUNTERSIGN_OUTBOUND_ALLOW_PRIVATE="perhaps"), "COUNTERSIGN_OUTBOUND_ALLOW_PRIVATE", "true"
    )


def test_a_file_that_is_not_there(folder: Server):
    assert_one_line(serve(folder, None, "--config", str(folder.folder / "none.toml")), "none.toml")


def test_a_port_that_is_taken(folder: Server):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert_one_line(serve(folder, None, "--listen", address), address)


def test_no_password_of_a_database_is_shown(folder: Server):
    address = "postgres://somebody:hunter2@[bad/none"
    for done in [
        serve(folder, f'database = "{address}"'), serve(folder, None, COUNTERSIGN_DATABASE=address),
        folder.run("tenant", "list", "--database", address), folder.run("init", "--help"),
    ]:
        assert "hunter2" not in done.stdout + done.stderr


# Settings.


def test_a_later_setting_wins(fresh: Server):
    """The file, over it the environment, over it the flag."""
    in_file, in_environment = free_port(), free_port()
    fresh.configuration = f'listen = "127.0.0.1:{in_file}"\nnames = ["localhost", "one.example"]\n'
    fresh.variables = {
        "COUNTERSIGN_LISTEN": f"127.0.0.1:{in_environment}", "COUNTERSIGN_NAMES": "localhost, two.example",
    }
    fresh.start()
    assert fresh.port not in (in_file, in_environment)
    with socket.create_connection(("127.0.0.1", fresh.port)) as plain:
        with graphs.tls(fresh).wrap_socket(plain, server_hostname="two.example") as secure:
            names = {value for _, value in secure.getpeercert()["subjectAltName"]}
    assert names == {"localhost", "two.example"}


def test_the_lifetime_of_tokens(fresh: Server):
    fresh.configuration = "[token]\nlifetime_seconds = 600\n"
    fresh.start()
    answer = ask(fresh).json()
    assert 590 <= answer["expires_in"] <= 600
    found = claims(answer["access_token"])
    assert found["exp"] - found["iat"] <= 600 + 300
    assert abs(found["exp"] - time.time() - 600) < 30


def test_its_own_certificate(fresh: Server):
    authority = Authority("The operator's")
    pem = fresh.folder / "own.pem"
    pem.write_bytes(authority.server_pem())
    fresh.configuration = f'certificate = "{pem}"\ncertificate_key = "{pem}"\n'
    fresh.start()
    with pytest.raises(httpx.ConnectError):
        ask(fresh)
    ca = fresh.folder / "operator.pem"
    ca.write_bytes(authority.pem_certificate)
    fresh.ca = str(ca)
    assert ask(fresh).status_code == 200


def test_a_certificate_and_the_key_of_another(folder: Server):
    authority = Authority("The operator's")
    one, two = folder.folder / "one.pem", folder.folder / "two.pem"
    one.write_bytes(authority.server_pem())
    two.write_bytes(authority.server_pem())
    assert_one_line(serve(folder, f'certificate = "{one}"\ncertificate_key = "{two}"\n'), "one.pem", "two.pem")


def test_the_connection_is_a_modern_one(fresh: Server):
    fresh.start()
    address = ("127.0.0.1", fresh.port)
    context = graphs.tls(fresh)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with socket.create_connection(address) as plain, context.wrap_socket(plain, server_hostname="localhost") as secure:
        assert secure.version() == "TLSv1.3"
        assert secure.selected_alpn_protocol() == "h2"
    old = graphs.tls(fresh)
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection(address) as plain, pytest.raises((ssl.SSLError, OSError)):
        old.wrap_socket(plain, server_hostname="localhost")


def test_a_proxy_that_is_trusted_names_the_client(fresh: Server):
    fresh.configuration = 'trusted_proxies = ["127.0.0.1"]\n'
    fresh.start()
    response = ask(fresh, headers={"X-Forwarded-For": "203.0.113.7"})
    assert recorded_address(fresh, response) == "203.0.113.7"


def test_a_proxy_that_is_not_trusted_does_not(fresh: Server):
    fresh.start()
    response = ask(fresh, headers={"X-Forwarded-For": "203.0.113.7"})
    assert recorded_address(fresh, response) == "127.0.0.1"


def recorded_address(server: Server, response: httpx.Response) -> str:
    token = response.json()["access_token"]
    with httpx.Client(verify=graphs.tls(server), trust_env=False, base_url=server.authority, timeout=30) as client:
        for _ in range(50):
            found = client.get(
                "/beta/auditLogs/signIns",
                params={"$filter": "signInEventTypes/any(t: t eq 'servicePrincipal')"},
                headers={"Authorization": f"Bearer {token}"},
            ).json()["value"]
            for record in found:
                if record["uniqueTokenIdentifier"] == claims(token)["uti"]:
                    return record["ipAddress"]
            time.sleep(0.1)
    raise AssertionError("there is no record")


# The folder.


def test_a_folder_is_its_owners_alone(fresh: Server):
    assert fresh.data.stat().st_mode & 0o777 == 0o700
    for name in ["master.key", "ca.key"]:
        assert (fresh.data / name).stat().st_mode & 0o777 == 0o600, name


def test_init_twice_changes_nothing(fresh: Server):
    def contents() -> dict[str, bytes]:
        files = [file for file in fresh.data.iterdir() if not file.name.endswith(("-wal", "-shm"))]
        return {file.name: file.read_bytes() for file in files}

    before = contents()
    done = fresh.run("init", "--tenant-name", "Contoso")
    assert done.returncode == 2 and not done.stdout
    assert str(fresh.data) in done.stderr and "already" in done.stderr
    assert contents() == before


def test_serve_without_a_folder_says_what_to_do(tmp_path: Path, database: str):
    if database != "sqlite":
        pytest.skip("one database is enough")
    server = Server(tmp_path)
    assert_one_line(serve(server), f"countersign init --data {server.data}")
    assert not server.data.exists()


def test_a_master_key_that_is_none(folder: Server, tmp_path: Path):
    for text in ["", "zz" * 32, "00" * 31, "é" * 64]:
        own = Server(tmp_path)
        own.data.mkdir(exist_ok=True)
        (own.data / "master.key").write_text(text)
        assert_one_line(serve(own), "master.key")


def test_two_tenants_of_one_name(fresh: Server):
    done = fresh.run("tenant", "create", "--tenant-name", "Contoso", "--json")
    assert done.returncode == 2 and "contoso.example" in done.stderr + "contoso.example"
    assert "panicked" not in done.stderr and "Contoso" in done.stderr
    assert len(json.loads(fresh.done("tenant", "list", "--json"))) == 1


@pytest.mark.parametrize("id", ["x", "", "00000000-0000-0000-0000-00000000000g"])
def test_a_tenant_id_that_is_none(fresh: Server, id: str):
    done = fresh.run("tenant", "create", "--tenant-name", "Other", "--tenant-id", id)
    assert done.returncode == 2 and "GUID" in done.stderr


# The end.


def slow_request(server: Server) -> tuple[http.client.HTTPSConnection, bytes]:
    """A token request of which the last bytes are still to be sent."""
    admin = server.contoso.admin
    fields = form(admin.client_id, client_secret=admin.secret)
    body = str(httpx.QueryParams(fields)).encode()
    connection = http.client.HTTPSConnection("localhost", server.port, context=graphs.tls(server), timeout=30)
    connection.putrequest("POST", f"/{server.contoso.id}/oauth2/v2.0/token")
    connection.putheader("Content-Type", "application/x-www-form-urlencoded")
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders()
    connection.send(body[:20])
    time.sleep(0.3)
    return connection, body[20:]


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_what_has_begun_is_answered(fresh: Server, ending: signal.Signals):
    fresh.start()
    connection, rest = slow_request(fresh)
    process = fresh.process
    process.send_signal(ending)
    time.sleep(0.5)
    assert process.poll() is None, "it waits"
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", fresh.port), timeout=2).recv(1)
        raise AssertionError("nobody new is let in")
    connection.send(rest)
    response = connection.getresponse()
    assert response.status == 200 and json.loads(response.read())["access_token"]
    connection.close()
    assert process.wait(timeout=20) == 0
    fresh.process = None


@pytest.mark.parametrize("sent", [b"", b"GET /v1.0 HTTP/1.1\r\nHost: local", b"POST /x/oauth2/v2.0/token HTTP/1.1\r\nHost: "
    b"localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\ngrant_type="])  # fmt: skip
def test_a_connection_that_says_nothing_is_closed(fresh: Server, sent: bytes):
    """Before a request, in its head, in its body: whoever only opens connections must not hold them."""
    fresh.configuration = "idle_seconds = 1\n"
    fresh.start()
    with socket.create_connection(("127.0.0.1", fresh.port), timeout=20) as plain:
        with graphs.tls(fresh).wrap_socket(plain, server_hostname="localhost") as secure:
            secure.sendall(sent)
            begun = time.monotonic()
            while secure.recv(4096):
                pass
            assert 0.8 <= time.monotonic() - begun < 10


def test_what_never_ends_is_not_waited_for(fresh: Server):
    fresh.configuration = "drain_seconds = 1\n"
    fresh.start()
    connection, _ = slow_request(fresh)
    begun = time.monotonic()
    assert fresh.stop() == 0
    assert 0.8 <= time.monotonic() - begun < 6
    connection.close()


def test_connections_that_wait_for_nothing_end_at_once(fresh: Server):
    """Of libraries that keep them open."""
    fresh.start()
    with httpx.Client(verify=graphs.tls(fresh), trust_env=False, base_url=fresh.authority) as kept:
        assert kept.get(f"/{fresh.contoso.id}/v2.0/.well-known/openid-configuration").status_code == 200
        begun = time.monotonic()
        assert fresh.stop() == 0
        assert time.monotonic() - begun < 3


def test_many_requests_while_it_ends(fresh: Server):
    """Each is answered in full or not at all; none is answered with an error."""
    fresh.start()
    admin = fresh.contoso.admin
    fields = form(admin.client_id, client_secret=admin.secret)
    statuses: list[int] = []

    def client() -> None:
        with httpx.Client(verify=graphs.tls(fresh), trust_env=False, timeout=10) as connection:
            while True:
                try:
                    response = connection.post(fresh.token_endpoint(fresh.contoso), data=fields)
                except httpx.TransportError:
                    return
                statuses.append(response.status_code)

    threads = [threading.Thread(target=client) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.7)
    assert fresh.stop() == 0
    for thread in threads:
        thread.join(timeout=15)
    assert statuses and set(statuses) == {200}


def test_connections_that_wait_for_nothing_end_at_once(fresh: Server):
    """Every library that speaks HTTP/2 keeps one: each restart takes ten seconds."""
    fresh.start()
    with httpx.Client(verify=graphs.tls(fresh), http2=True, trust_env=False, base_url=fresh.authority) as kept:
        assert kept.get(f"/{fresh.contoso.id}/v2.0/.well-known/openid-configuration").http_version == "HTTP/2"
        begun = time.monotonic()
        assert fresh.stop() == 0
        assert time.monotonic() - begun < 3


def test_a_database_that_is_not_there_is_named(folder: Server):
    begun = time.monotonic()
    done = folder.run("tenant", "list", "--database", "postgres://somebody:hunter2@127.0.0.1:1/none")
    assert_one_line(done, "127.0.0.1:1", "refused")
    assert "hunter2" not in done.stderr
    assert time.monotonic() - begun < 10


def test_an_init_that_failed_can_be_repeated(tmp_path: Path, database: str):
    """Half a folder would be taken for the data of a server."""
    server = Server(tmp_path)
    server.data.mkdir()
    (server.data / "notes.txt").write_text("mine")
    done = server.run("init", "--json", "--database", "postgres://somebody@127.0.0.1:1/none")
    assert_one_line(done, "127.0.0.1:1", "refused")
    assert [file.name for file in server.data.iterdir()] == ["notes.txt"]
    (server.data / "notes.txt").unlink()
    server.run("init", "--json", "--database", "postgres://somebody@127.0.0.1:1/none")
    assert not server.data.exists()
    (tmp_path / "data").mkdir(exist_ok=True)
    (tmp_path / "data" / "ca.key").write_text("of somebody else")
    assert_one_line(server.run("init", "--json"), "nothing was changed")
    assert (tmp_path / "data" / "ca.key").read_text() == "of somebody else"


def test_another_kind_of_database(folder: Server):
    done = folder.run("tenant", "list", "--database", "mysql://127.0.0.1:1/none")
    assert_one_line(done, "`database`", "postgres://")
