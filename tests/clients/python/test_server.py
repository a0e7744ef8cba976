"""The server as a process: set up, started, ended, started again."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from support import graph as graphs
from support.server import Server, own_database
from support.tokens import claims, form


@pytest.fixture
def fresh(database: str, tmp_path: Path) -> Iterator[Server]:
    """A server of its own, set up and not started."""
    with own_database(database) as address:
        server = Server(tmp_path, address)
        server.make_tenants()
        yield server
        if server.process is not None:
            server.stop()


def ask(server: Server, fields: dict[str, str]) -> httpx.Response:
    with httpx.Client(verify=graphs.tls(server), timeout=30) as http:
        return http.post(server.token_endpoint(server.contoso), data=fields)


def test_init_says_what_is_needed_to_sign_in(fresh: Server):
    assert fresh.contoso.domain
    assert "@" in fresh.contoso.user_principal_name and fresh.contoso.password
    assert "BEGIN CERTIFICATE" in Path(fresh.ca).read_text()


def test_the_second_tenant_has_nothing_in_common_with_the_first(fresh: Server):
    assert fresh.contoso.id != fresh.fabrikam.id
    assert fresh.contoso.domain != fresh.fabrikam.domain
    assert fresh.contoso.admin.client_id != fresh.fabrikam.admin.client_id


def test_init_never_overwrites(fresh: Server):
    done = fresh.run("init", "--tenant-name", "Contoso", "--json")
    assert done.returncode == 2
    assert done.stderr.strip(), "it says why"
    fresh.start()
    assert ask(fresh, form(fresh.contoso.admin.client_id, client_secret=fresh.contoso.admin.secret)).status_code == 200


def test_sigterm_ends_it_with_success(fresh: Server):
    fresh.start()
    assert fresh.stop() == 0


def test_its_certificate_holds_for_the_name_and_the_address(fresh: Server):
    fresh.start()
    with httpx.Client(verify=graphs.tls(fresh), timeout=30) as http:
        for host in ["localhost", "127.0.0.1"]:
            url = f"https://{host}:{fresh.port}/{fresh.contoso.id}/v2.0/.well-known/openid-configuration"
            assert http.get(url).status_code == 200


def test_what_was_there_before_a_restart_is_there_after_it(fresh: Server):
    admin = fresh.contoso.admin
    fresh.start()
    before = ask(fresh, form(admin.client_id, client_secret=admin.secret)).json()["access_token"]
    fresh.stop()
    fresh.start()
    after = ask(fresh, form(admin.client_id, client_secret=admin.secret)).json()["access_token"]
    assert claims(before)["oid"] == claims(after)["oid"] == admin.service_principal_id
    with httpx.Client(verify=graphs.tls(fresh), timeout=30) as http:
        for token in [before, after]:
            answer = http.get(
                f"{fresh.authority}/v1.0/servicePrincipals/{admin.service_principal_id}",
                headers={"Authorization": f"Bearer {token}"},
            )
            assert answer.status_code == 200, "a token holds until it expires"


def test_serve_needs_data_that_was_set_up(database: str, tmp_path: Path):
    if database != "sqlite":
        pytest.skip("one database is enough")
    done = subprocess.run(
        Server(tmp_path).arguments("serve", "--listen", "127.0.0.1:0"),
        capture_output=True, text=True, timeout=30, env=os.environ, stdin=subprocess.DEVNULL,
    )
    assert done.returncode not in (0, 101), "neither success nor a panic"
    assert done.stderr.strip(), "it says what to do"
