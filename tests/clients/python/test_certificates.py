"""Tokens by certificate: each library signs in its own way, and all are understood."""

from pathlib import Path

import httpx
import msal
import pytest
from azure.identity import CertificateCredential
from azure.identity.aio import CertificateCredential as AsyncCertificateCredential
from msgraph import GraphServiceClient

from support import graph as graphs
from support.graph import Workload
from support.keys import ASSERTION_TYPE, Key
from support.server import GRAPH_SCOPE, Server, Tenant
from support.tokens import TOKEN_ENDPOINTS, claims, form, post


@pytest.fixture(scope="module")
def key() -> Key:
    return Key("billing")


@pytest.fixture(scope="module")
async def certified(graph: GraphServiceClient, key: Key) -> Workload:
    """An application that has the certificate of `key`."""
    workload = await graphs.new_workload(graph, "certified")
    await graphs.set_certificates(graph, workload.object_id, key)
    return workload


def assert_certificate_token(token: str, workload: Workload) -> None:
    assert claims(token)["appid"] == workload.app_id
    assert claims(token)["appidacr"] == "2"


@pytest.mark.parametrize("chain", [False, True], ids=["thumbprint", "with chain"])
def test_azure_identity_signs_with_rs256_and_sha1(
    server: Server, contoso: Tenant, certified: Workload, key: Key, chain: bool
):
    with CertificateCredential(
        contoso.id, certified.app_id, certificate_data=key.pem, send_certificate_chain=chain,
        authority=server.authority, disable_instance_discovery=True, connection_verify=server.ca,
    ) as credential:
        assert_certificate_token(credential.get_token(GRAPH_SCOPE).token, certified)


async def test_azure_identity_aio_signs_with_ps256_and_pads(
    server: Server, contoso: Tenant, certified: Workload, key: Key
):
    async with AsyncCertificateCredential(
        contoso.id, certified.app_id, certificate_data=key.pem, authority=server.authority,
        connection_verify=server.ca,
    ) as credential:
        assert_certificate_token((await credential.get_token(GRAPH_SCOPE)).token, certified)


def msal_token(server: Server, tenant: Tenant, workload: Workload, credential: dict) -> str:
    app = msal.ConfidentialClientApplication(
        workload.app_id, credential, authority=f"{server.authority}/{tenant.id}", instance_discovery=False,
        verify=server.ca,
    )
    result = app.acquire_token_for_client([GRAPH_SCOPE])
    assert "access_token" in result, result
    return result["access_token"]


def test_msal_with_thumbprint_signs_with_rs256(server: Server, contoso: Tenant, certified: Workload, key: Key):
    credential = {"private_key": key.pem_key.decode(), "thumbprint": key.thumbprint}
    assert_certificate_token(msal_token(server, contoso, certified, credential), certified)


def test_msal_with_certificate_signs_with_ps256_and_sends_it_with_line_breaks(
    server: Server, contoso: Tenant, certified: Workload, key: Key
):
    credential = {"private_key": key.pem_key.decode(), "public_certificate": key.pem_certificate.decode()}
    assert_certificate_token(msal_token(server, contoso, certified, credential), certified)


def test_msal_with_pfx(server: Server, contoso: Tenant, certified: Workload, key: Key, tmp_path: Path):
    credential = {"private_key_pfx_path": str(key.write_pfx(tmp_path / "key.pfx")), "public_certificate": True}
    assert_certificate_token(msal_token(server, contoso, certified, credential), certified)


def test_msal_sends_one_assertion_twice(server: Server, contoso: Tenant, certified: Workload, key: Key):
    """It keeps an assertion for nine minutes: an assertion is no one-time password."""
    app = msal.ConfidentialClientApplication(
        certified.app_id, {"private_key": key.pem_key.decode(), "thumbprint": key.thumbprint},
        authority=f"{server.authority}/{contoso.id}", instance_discovery=False, verify=server.ca,
    )
    for scope in [GRAPH_SCOPE, f"{graphs.GRAPH_APP_ID}/.default"]:
        result = app.acquire_token_for_client([scope])
        assert "access_token" in result and result["token_source"] == "identity_provider", result


@pytest.mark.parametrize("version", TOKEN_ENDPOINTS)
async def test_the_audience_is_the_token_endpoint(
    http: httpx.AsyncClient, server: Server, contoso: Tenant, certified: Workload, key: Key, version: str
):
    assertion = key.assertion(certified.app_id, server.token_endpoint(contoso, version))
    fields = form(
        certified.app_id, version=version, client_assertion_type=ASSERTION_TYPE, client_assertion=assertion
    )
    response = await post(http, server, contoso, fields, version=version)
    assert response.status_code == 200, response.text


async def test_times_may_be_texts(
    http: httpx.AsyncClient, server: Server, contoso: Tenant, certified: Workload, key: Key
):
    """roadtx and MSAL for .NET write them so."""
    assertion = key.assertion(certified.app_id, server.token_endpoint(contoso))
    payload = {name: str(value) for name, value in claims(assertion).items()}
    fields = form(certified.app_id, client_assertion_type=ASSERTION_TYPE, client_assertion=key.sign(payload))
    response = await post(http, server, contoso, fields)
    assert response.status_code == 200, response.text
