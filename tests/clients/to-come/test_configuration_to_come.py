"""What the process does not do yet: goes to test_configuration.py, without its mark."""

import time

import httpx
import pytest

from support import graph as graphs
from support.server import Server
from test_configuration import assert_one_line, folder, fresh, serve  # noqa: F401


@pytest.mark.xfail(strict=True, reason="connections of HTTP/2 are waited for until `drain_seconds` are over")
def test_connections_that_wait_for_nothing_end_at_once(fresh: Server):  # noqa: F811
    """Every library that speaks HTTP/2 keeps one: each restart takes ten seconds."""
    fresh.start()
    with httpx.Client(verify=graphs.tls(fresh), http2=True, trust_env=False, base_url=fresh.authority) as kept:
        assert kept.get(f"/{fresh.contoso.id}/v2.0/.well-known/openid-configuration").http_version == "HTTP/2"
        begun = time.monotonic()
        assert fresh.stop() == 0
        assert time.monotonic() - begun < 3


@pytest.mark.xfail(strict=True, reason="after half a minute: `pool timed out …`, twice")
def test_a_database_that_is_not_there_is_named(folder: Server):  # noqa: F811
    begun = time.monotonic()
    done = folder.run("tenant", "list", "--database", "postgres://somebody:hunter2@127.0.0.1:1/none")
    assert_one_line(done, "127.0.0.1:1", "refused")
    assert "hunter2" not in done.stderr
    assert time.monotonic() - begun < 15


@pytest.mark.xfail(strict=True, reason="it is taken for the address of a PostgreSQL server")
def test_another_kind_of_database(folder: Server):  # noqa: F811
    done = folder.run("tenant", "list", "--database", "mysql://127.0.0.1:1/none")
    assert_one_line(done, "postgres://")
