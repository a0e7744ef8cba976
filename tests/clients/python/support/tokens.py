"""Tokens: asked for by hand, opened and checked."""

import base64
import json
import uuid

import httpx
import jwt
from cryptography import x509

from support.server import GRAPH_SCOPE, Server, Tenant

GRAPH = "https://graph.microsoft.com"
TOKEN_ENDPOINTS = ["v1.0", "v2.0"]


def form(client_id: str, *, version: str = "v2.0", **fields: str) -> dict[str, str]:
    """What every request for a token of Graph sends. The v1.0 endpoint knows resources, the other one scopes."""
    wanted = {"resource": GRAPH} if version == "v1.0" else {"scope": GRAPH_SCOPE}
    return {"grant_type": "client_credentials", "client_id": client_id} | wanted | fields


async def post(
    http: httpx.AsyncClient, server: Server, tenant: Tenant, fields: dict[str, str], *, version: str = "v2.0", **more
) -> httpx.Response:
    """Posts a form to the tenant's token endpoint."""
    return await http.post(server.token_endpoint(tenant, version), data=fields, **more)


async def token(
    http: httpx.AsyncClient, server: Server, tenant: Tenant, client_id: str, secret: str, scope: str = GRAPH_SCOPE
) -> str:
    """An access token by secret, without any cache between."""
    response = await post(http, server, tenant, form(client_id, client_secret=secret, scope=scope))
    assert response.status_code == 200, response.text
    return response.json()["access_token"]


def part(token: str, index: int) -> dict:
    text = token.split(".")[index]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def header(token: str) -> dict:
    return part(token, 0)


def claims(token: str) -> dict:
    """The claims, unchecked."""
    return part(token, 1)


def checked_claims(token: str, keys: dict, audience: str, issuer: str, algorithm: str = "RS256") -> dict:
    """The claims, after a check of the signature against a published key, taken from its certificate."""
    key = next(key for key in keys["keys"] if key["kid"] == header(token)["kid"])
    certificate = x509.load_der_x509_certificate(base64.b64decode(key["x5c"][0]))
    assert jwt.PyJWK(key).key.public_numbers() == certificate.public_key().public_numbers(), "the numbers are not x5c's"
    return jwt.decode(token, certificate.public_key(), algorithms=[algorithm], audience=audience, issuer=issuer)


def uti(request_id: str) -> str:
    """The `uti` of a token from the id of the request that it answered: the GUID's bytes in .NET's order."""
    return base64.urlsafe_b64encode(uuid.UUID(request_id).bytes_le).rstrip(b"=").decode()
