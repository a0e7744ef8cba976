"""Discovery: what a client reads about an authority before it trusts it."""

import base64
import uuid
from urllib.parse import urlsplit

import httpx
import jwt
import msal
import pytest
from cryptography import x509

from support.refusals import assert_refused
from support.server import GRAPH_SCOPE, Server, Tenant
from support.tokens import claims, token

DOCUMENTS = {"v1.0": "/.well-known/openid-configuration", "v2.0": "/v2.0/.well-known/openid-configuration"}


@pytest.fixture(params=["id", "domain"])
def address(request: pytest.FixtureRequest, contoso: Tenant) -> str:
    """A tenant is addressed by its id or by its domain."""
    return getattr(contoso, request.param)


@pytest.mark.parametrize("version", DOCUMENTS)
async def test_the_document_has_what_clients_need(
    http: httpx.AsyncClient, server: Server, contoso: Tenant, address: str, version: str
):
    response = await http.get(f"/{address}{DOCUMENTS[version]}")
    assert response.status_code == 200
    document = response.json()
    for name in ["issuer", "authorization_endpoint", "token_endpoint", "jwks_uri"]:
        assert document[name].startswith("https://"), name
    path = "oauth2/token" if version == "v1.0" else "oauth2/v2.0/token"
    assert document["token_endpoint"] == f"{server.authority}/{contoso.id}/{path}", "with the tenant's GUID"
    assert {"client_secret_post", "client_secret_basic", "private_key_jwt"} <= set(
        document["token_endpoint_auth_methods_supported"]
    )
    assert "RS256" in document["id_token_signing_alg_values_supported"]


async def test_the_issuer_of_v2_is_of_the_same_origin_or_known(
    http: httpx.AsyncClient, server: Server, contoso: Tenant
):
    """Otherwise msal for Node refuses the authority."""
    issuer = (await http.get(f"/{contoso.id}{DOCUMENTS['v2.0']}")).json()["issuer"]
    assert contoso.id in issuer
    own = urlsplit(server.authority).netloc
    assert urlsplit(issuer).netloc in {own, "login.microsoftonline.com", "sts.windows.net"}


async def test_the_issuer_of_v1_is_the_one_of_v1_tokens(http: httpx.AsyncClient, server: Server, contoso: Tenant):
    issuer = (await http.get(f"/{contoso.id}{DOCUMENTS['v1.0']}")).json()["issuer"]
    admin = contoso.admin
    assert issuer == claims(await token(http, server, contoso, admin.client_id, admin.secret))["iss"]


@pytest.mark.parametrize("version", DOCUMENTS)
async def test_keys_are_published_with_certificates(http: httpx.AsyncClient, contoso: Tenant, version: str):
    document = (await http.get(f"/{contoso.id}{DOCUMENTS[version]}")).json()
    keys = (await http.get(document["jwks_uri"])).json()["keys"]
    assert keys
    for key in keys:
        assert (key["kty"], key["use"]) == ("RSA", "sig")
        assert key["kid"] and key["n"] and key["e"] and key["x5t"]
        assert len(key["x5c"]) == 1 and "\n" not in key["x5c"][0]
        assert "d" not in key, "the private key stays at home"


async def test_the_keys_of_v1_and_v2_and_common_are_the_same(http: httpx.AsyncClient, contoso: Tenant):
    paths = [f"/{contoso.id}/discovery/v2.0/keys", f"/{contoso.id}/discovery/keys", "/common/discovery/keys"]
    kids = [{key["kid"] for key in (await http.get(path)).json()["keys"]} for path in paths]
    assert kids[0] == kids[1] == kids[2]


@pytest.mark.parametrize("path", ["discovery/v2.0/keys", "discovery/keys"])
@pytest.mark.parametrize("tenant", ["nowhere.example", "00000000-0000-0000-0000-000000000001"])
async def test_a_tenant_that_does_not_exist_has_no_keys(http: httpx.AsyncClient, tenant: str, path: str):
    response = await http.get(f"/{tenant}/{path}")
    assert (response.status_code, response.json()["error"]) == (400, "invalid_tenant")


async def test_keys_are_certified_by_x5c(http: httpx.AsyncClient, contoso: Tenant):
    for key in (await http.get(f"/{contoso.id}/discovery/v2.0/keys")).json()["keys"]:
        certificate = x509.load_der_x509_certificate(base64.b64decode(key["x5c"][0], validate=True))
        assert certificate.public_key().public_numbers() == jwt.PyJWK(key | {"alg": "RS256"}).key.public_numbers()


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_instance_discovery_knows_its_own_host(
    http: httpx.AsyncClient, server: Server, contoso: Tenant, version: str
):
    response = await http.get(
        "/common/discovery/instance",
        params={
            "api-version": version,
            "authorization_endpoint": f"https://localhost/{contoso.id}/oauth2/v2.0/authorize",
        },
    )
    assert response.status_code == 200
    document = response.json()
    assert document["tenant_discovery_endpoint"].endswith("/.well-known/openid-configuration")
    assert document["tenant_discovery_endpoint"].startswith(server.authority)
    if version == "1.1":
        assert document["metadata"], "msal for Python asks with 1.1 after each refusal, and needs an answer"
        assert all({"preferred_network", "preferred_cache", "aliases"} <= set(entry) for entry in document["metadata"])


@pytest.mark.parametrize("version", DOCUMENTS)
async def test_an_unknown_tenant_is_a_bad_request(http: httpx.AsyncClient, version: str):
    response = await http.get(f"/{uuid.uuid4()}{DOCUMENTS[version]}")
    assert response.status_code == 400
    document = response.json()
    assert document["error"] in {"invalid_tenant", "invalid_request"}
    assert document["error_codes"] == [90002]


async def test_an_unknown_tenant_gives_no_token(http: httpx.AsyncClient, contoso: Tenant):
    fields = {
        "grant_type": "client_credentials", "client_id": contoso.admin.client_id,
        "client_secret": contoso.admin.secret, "scope": GRAPH_SCOPE,
    }
    assert_refused(await http.post(f"/{uuid.uuid4()}/oauth2/v2.0/token", data=fields), 90002)


def test_msal_says_which_authority_is_unknown(server: Server):
    unknown = f"{server.authority}/{uuid.uuid4()}"
    with pytest.raises(ValueError, match="authority"):
        msal.ConfidentialClientApplication(
            str(uuid.uuid4()), "secret", authority=unknown, instance_discovery=False, verify=server.ca
        )


def test_msal_takes_the_server_as_its_own_instance_discovery(server: Server, contoso: Tenant):
    app = msal.ConfidentialClientApplication(
        contoso.admin.client_id, contoso.admin.secret, authority=f"{server.authority}/{contoso.id}",
        instance_discovery=f"{server.authority}/common/discovery/instance", verify=server.ca,
    )
    assert "access_token" in app.acquire_token_for_client([GRAPH_SCOPE])


def test_msal_takes_the_server_as_an_oidc_authority(server: Server, contoso: Tenant):
    """This way it checks that the issuer belongs to the authority."""
    app = msal.ConfidentialClientApplication(
        contoso.admin.client_id, contoso.admin.secret, oidc_authority=f"{server.authority}/{contoso.id}/v2.0",
        verify=server.ca,
    )
    assert "access_token" in app.acquire_token_for_client([GRAPH_SCOPE])
