"""The server under test, once for each database, and clients of it."""

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from msgraph import GraphServiceClient

from support import graph as graphs
from support.issuer import Issuer
from support.people import Browser, Person, new_person
from support.server import GRAPH_SCOPE, Server, Tenant, Unusable, databases, serving


# Settings of this machine that would decide whom the clients trust, and which way they go.
OF_THE_MACHINE = ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"]


@pytest.fixture(scope="session", autouse=True)
def environment() -> Iterator[None]:
    """Clients that go straight to the server, and trust what they are told to trust.

    `requests` prefers REQUESTS_CA_BUNDLE to what it was told.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in [*OF_THE_MACHINE, *(name for name in os.environ if name.startswith("AZURE_"))]:
            patch.delenv(name, raising=False)
        for name in ["NO_PROXY", "no_proxy"]:
            patch.setenv(name, "localhost,127.0.0.1")
        yield


@pytest.fixture(scope="session", params=databases())
def database(request: pytest.FixtureRequest) -> str:
    """What the server keeps its data in: `sqlite` or `postgres`."""
    return request.param


@pytest.fixture(scope="session")
def server(database: str) -> Iterator[Server]:
    """The server that the tests share, with the tenants Contoso and Fabrikam."""
    try:
        with serving(database) as server:
            yield server
    except Unusable as error:
        pytest.exit(str(error), returncode=3)


@pytest.fixture(scope="session")
def contoso(server: Server) -> Tenant:
    return server.contoso


@pytest.fixture(scope="session")
def fabrikam(server: Server) -> Tenant:
    return server.fabrikam


@pytest.fixture(scope="session")
async def http(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    """Plain HTTP, for what Microsoft's clients hide or never send."""
    async with httpx.AsyncClient(verify=graphs.tls(server), base_url=server.authority, timeout=30) as http:
        yield http


@pytest.fixture(scope="session")
async def admin(server: Server, contoso: Tenant) -> AsyncIterator[object]:
    """The credential of Contoso's application that may do everything."""
    async with graphs.credential(server, contoso, contoso.admin.client_id, contoso.admin.secret) as credential:
        yield credential


@pytest.fixture(scope="session")
async def graph(server: Server, admin: object) -> GraphServiceClient:
    """Microsoft Graph v1.0 with all permissions in Contoso."""
    return graphs.client(server, admin)


@pytest.fixture(scope="session")
async def beta(server: Server, admin: object) -> GraphServiceClient:
    """The same client on /beta. What only beta has, it keeps in `additional_data`."""
    return graphs.client(server, admin, "beta")


@pytest.fixture
async def bearer(admin) -> dict[str, str]:
    """The header that signs in as Contoso's application that may do everything, for plain HTTP."""
    return {"Authorization": f"Bearer {(await admin.get_token(GRAPH_SCOPE)).token}"}


@pytest.fixture
async def workload(graph: GraphServiceClient) -> graphs.Workload:
    """A new application of Contoso with service principal and secret."""
    return await graphs.new_workload(graph)


@pytest.fixture(scope="session")
def issuer(server: Server) -> Iterator[Issuer]:
    """An issuer of foreign tokens whose certificate the server trusts."""
    with tempfile.TemporaryDirectory(prefix="countersign-issuer-") as folder:
        issuer = Issuer(server.issuers, Path(folder))
        yield issuer
        issuer.close()


@pytest.fixture
def browser(server: Server) -> Iterator[Browser]:
    with Browser(server) as browser:
        yield browser


@pytest.fixture
async def operator(graph: GraphServiceClient, contoso: Tenant) -> Person:
    return await new_person(graph, contoso, "Security Operator")


@pytest.fixture
async def reader(graph: GraphServiceClient, contoso: Tenant) -> Person:
    return await new_person(graph, contoso, "Security Reader")


@pytest.fixture
async def nobody(graph: GraphServiceClient, contoso: Tenant) -> Person:
    """A person without any role."""
    return await new_person(graph, contoso)
