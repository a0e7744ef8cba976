"""Refusals of the token endpoint: Entra's numbers with the status and `error` that belong to them."""

import re
import uuid
from datetime import UTC, datetime, timedelta

import httpx

EXPECTED = {
    7000215: (401, "invalid_client"),  # wrong secret
    7000222: (401, "invalid_client"),  # expired secret
    7000216: (401, "invalid_client"),  # no credential at all
    7000218: (401, "invalid_client"),
    700016: (400, "unauthorized_client"),  # unknown application
    7000112: (400, "unauthorized_client"),  # service principal disabled
    7000229: (401, "invalid_client"),  # no service principal
    700027: (401, "invalid_client"),  # unknown key, or bad signature
    700024: (401, "invalid_client"),  # assertion out of time
    50027: (400, "invalid_request"),  # not a JWT
    1002012: (400, "invalid_scope"),  # scope without /.default
    70011: (400, "invalid_scope"),
    500011: (400, "invalid_resource"),  # unknown resource
    90002: (400, "invalid_request"),  # unknown tenant
    900144: (400, "invalid_request"),  # parameter missing
    70003: (400, "unsupported_grant_type"),
    700022: (400, "invalid_scope"),  # several resources
    28002: (400, "invalid_scope"),
    70021: (400, "invalid_request"),  # no federated credential matches
    700211: (401, "invalid_client"),  # … its issuer
    700212: (401, "invalid_client"),  # … its audience
    700213: (401, "invalid_client"),  # … its subject
    50011: (400, "invalid_request"),  # redirect address
    50148: (400, "invalid_grant"),  # verifier of PKCE
    50173: (400, "invalid_grant"),  # revoked, or the person is disabled
    54005: (400, "invalid_grant"),  # code used already
    65001: (400, "invalid_grant"),  # nobody consented
    70000: (400, "invalid_grant"),  # of another client or tenant
    70008: (400, "invalid_grant"),  # unknown or used refresh token
    70016: (400, "authorization_pending"),
    70019: (400, "authorization_declined"),
    70020: (400, "expired_token"),  # unknown or used device code
}

TIMESTAMP = "%Y-%m-%d %H:%M:%SZ"


def assert_refused(response: httpx.Response, *codes: int, correlation_id: str | None = None) -> dict:
    """The response is a refusal with one of `codes`, and has all that a refusal of Entra has."""
    assert response.status_code >= 400, f"not refused: {response.text}"
    assert response.headers["content-type"].startswith("application/json")
    document = response.json()
    assert len(document["error_codes"]) == 1, document
    code = document["error_codes"][0]
    assert code in codes, document
    assert (response.status_code, document["error"]) == EXPECTED[code], document
    assert_complete(document, code)
    if correlation_id is not None:
        assert document["correlation_id"] == correlation_id
    assert "retry-after" not in response.headers, "clients would repeat the request"
    return document


def assert_complete(document: dict, code: int) -> None:
    """The members and the text that support staff ask for are there and agree."""
    text = document["error_description"]
    assert text.startswith(f"AADSTS{code}: "), text
    trace_id, correlation_id = document["trace_id"], document["correlation_id"]
    assert str(uuid.UUID(trace_id)) == trace_id.lower()
    assert str(uuid.UUID(correlation_id)) == correlation_id.lower()
    assert re.search(
        rf"Trace ID: {trace_id}\s+Correlation ID: {correlation_id}\s+Timestamp: {document['timestamp']}", text
    ), text
    age = datetime.now(UTC) - datetime.strptime(document["timestamp"], TIMESTAMP).replace(tzinfo=UTC)
    assert abs(age) < timedelta(minutes=2)
    assert document["error_uri"].endswith(f"error?code={code}"), document
