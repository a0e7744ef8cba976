"""Tenants whose tokens are signed with ES256, and tenants that change."""

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from support import graph as graphs
from support.graph import listed
from support.people import TOOLS, Authorization, Browser, Person
from support.server import GRAPH_SCOPE, Server, own_server
from support.tokens import GRAPH, checked_claims, form, header

KEPT_SECONDS = 6  # a server believes a tenant for five


@dataclass
class Setting:
    server: Server
    http: httpx.Client

    def keys(self, version: str = "/v2.0") -> dict:
        return self.http.get(f"/{self.server.contoso.id}/discovery{version}/keys").json()

    def token(self, fabrikam: bool = False) -> str:
        tenant = self.server.fabrikam if fabrikam else self.server.contoso
        fields = form(tenant.admin.client_id, client_secret=tenant.admin.secret)
        response = self.http.post(self.server.token_endpoint(tenant), data=fields)
        assert response.status_code == 200, response.text
        return response.json()["access_token"]

    def graph(self, token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        return self.http.get("/v1.0/servicePrincipals?$top=1", headers=headers).status_code

    async def change(self, algorithm: str) -> None:
        words = ["tenant", "update", "--tenant", self.server.contoso.id, "--signing-algorithm", algorithm]
        assert algorithm in self.server.done(*words)
        await asyncio.sleep(KEPT_SECONDS)


@pytest.fixture(scope="module")
async def setting(database: str) -> AsyncIterator[Setting]:
    """Contoso signs with ES256, Fabrikam with RS256."""
    with own_server(database, algorithm="ES256") as server:
        server.start()
        with httpx.Client(
            verify=graphs.tls(server), base_url=server.authority, trust_env=False, timeout=30
        ) as http:
            yield Setting(server, http)


def by_kind(keys: dict) -> dict[str, list[dict]]:
    return {kind: [key for key in keys["keys"] if key["kty"] == kind] for kind in ("EC", "RSA")}


@pytest.mark.parametrize("version", ["/v2.0", ""])
def test_the_key_is_published(setting: Setting, version: str):
    [key] = by_kind(setting.keys(version))["EC"]
    assert key["crv"] == "P-256" and key["use"] == "sig"
    assert key.get("alg", "ES256") == "ES256"
    assert len(base64.urlsafe_b64decode(key["x"] + "=")) == len(base64.urlsafe_b64decode(key["y"] + "=")) == 32
    certificate = x509.load_der_x509_certificate(base64.b64decode(key["x5c"][0]))
    assert isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)
    assert jwt.PyJWK(key).key.public_numbers() == certificate.public_key().public_numbers()
    assert not set(key) & {"d", "n", "e"}


def test_its_tokens_hold_against_it(setting: Setting):
    token = setting.token()
    assert header(token)["alg"] == "ES256"
    [key] = by_kind(setting.keys())["EC"]
    assert header(token)["kid"] == key["kid"]
    tenant = setting.server.contoso
    found = checked_claims(token, setting.keys(), GRAPH, f"https://sts.windows.net/{tenant.id}/", "ES256")
    assert found["appid"] == tenant.admin.client_id


def test_as_a_library_finds_the_key(setting: Setting):
    """From the discovery document, by the token's `kid`."""
    document = setting.http.get(f"/{setting.server.contoso.id}/.well-known/openid-configuration").json()
    client = jwt.PyJWKClient(document["jwks_uri"], ssl_context=graphs.tls(setting.server))
    token = setting.token()
    key = client.get_signing_key_from_jwt(token).key
    jwt.decode(token, key, algorithms=["ES256"], audience=GRAPH, issuer=document["issuer"])


async def test_graph_takes_them(setting: Setting):
    server, admin = setting.server, setting.server.contoso.admin
    async with graphs.signed_in(server, server.contoso, admin.client_id, admin.secret) as graph:
        assert await listed(graph.service_principals)


def test_tokens_of_people(setting: Setting):
    tenant = setting.server.contoso
    person = Person("", tenant.user_principal_name, tenant.password)
    with Browser(setting.server) as browser:
        tokens = Authorization(tenant).tokens(browser, person)
    assert header(tokens["access_token"])["alg"] == header(tokens["id_token"])["alg"] == "ES256"
    found = checked_claims(
        tokens["id_token"], setting.keys(), TOOLS, f"{setting.server.authority}/{tenant.id}/v2.0", "ES256"
    )
    assert found["preferred_username"] == tenant.user_principal_name
    assert setting.http.get(
        "/v1.0/me", headers={"Authorization": f"Bearer {tokens['access_token']}"}
    ).status_code == 200


def test_the_other_tenant_keeps_its_own(setting: Setting):
    token = setting.token(fabrikam=True)
    assert header(token)["alg"] == "RS256"
    assert setting.graph(token) == 200


def test_what_the_signature_is_for_is_not_the_callers_choice(setting: Setting):
    """The header names the key; what kind of key it is, the server knows."""
    token = setting.token()
    _, claims, signature = token.split(".")
    for alg in ["none", "HS256", "RS256", "ES384"]:
        forged = jwt.api_jws.base64url_encode(
            f'{{"alg":"{alg}","typ":"JWT","kid":"{header(token)["kid"]}"}}'.encode()
        ).decode()
        assert setting.graph(f"{forged}.{claims}.{signature}") == 401
        assert setting.graph(f"{forged}.{claims}.") == 401
    assert setting.graph(token[:-4] + ("AAAA" if token[-4:] != "AAAA" else "BBBB")) == 401


async def test_a_tenant_changes_without_a_restart(setting: Setting):
    before = setting.token()
    await setting.change("RS256")
    after = setting.token()
    assert (header(before)["alg"], header(after)["alg"]) == ("ES256", "RS256")
    assert setting.graph(before) == setting.graph(after) == 200, "what was signed before holds on"
    assert header(before)["kid"] in {key["kid"] for key in setting.keys()["keys"]}, "and so does its key"
    await setting.change("ES256")
    again = setting.token()
    assert header(again)["alg"] == "ES256" and setting.graph(again) == 200


async def test_a_server_makes_the_key_that_it_never_had(database: str):
    """Nobody used ES256 when it started."""
    with own_server(database, second=False) as server:
        server.start()
        with httpx.Client(
            verify=graphs.tls(server), base_url=server.authority, trust_env=False, timeout=30
        ) as http:
            setting = Setting(server, http)
            assert not by_kind(setting.keys())["EC"]
            await setting.change("ES256")
            token = setting.token()
            assert header(token)["alg"] == "ES256" and setting.graph(token) == 200
            [key] = by_kind(setting.keys())["EC"]
            assert key["kid"] == header(token)["kid"]
        server.stop()
        server.start()
        with httpx.Client(verify=graphs.tls(server), base_url=server.authority, trust_env=False) as http:
            assert Setting(server, http).graph(token) == 200, "kept over a restart"


def test_other_algorithms_are_none(setting: Setting):
    tenant = setting.server.contoso
    for word in ["HS256", "none", "es256"]:
        done = setting.server.run("tenant", "update", "--tenant", tenant.id, "--signing-algorithm", word)
        assert done.returncode == 2 and "ES256" in done.stderr


async def test_tokens_of_other_resources(setting: Setting):
    """Not only Graph's: an API of one's own verifies ES256 as well."""
    tenant = setting.server.contoso
    fields = form(tenant.admin.client_id, client_secret=tenant.admin.secret, scope=GRAPH_SCOPE)
    v1 = setting.http.post(
        setting.server.token_endpoint(tenant, "v1.0"), data=form(
            tenant.admin.client_id, version="v1.0", client_secret=tenant.admin.secret
        )
    ).json()["access_token"]
    v2 = setting.http.post(setting.server.token_endpoint(tenant), data=fields).json()["access_token"]
    assert header(v1)["alg"] == header(v2)["alg"] == "ES256"
