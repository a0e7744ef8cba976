"""Claims challenges, read as strictly as the strictest client does."""

import base64
import json
import re
from dataclasses import dataclass

import httpx

GRAPH_APP_ID = "00000003-0000-0000-c000-000000000000"


@dataclass(frozen=True)
class Challenge:
    claims: dict
    description: str
    parameters: dict[str, str]

    @property
    def not_before(self) -> int:
        """Seconds since 1970 at or after which the next token must be issued."""
        wanted = self.claims["access_token"]["nbf"]
        assert wanted["essential"] is True
        assert isinstance(wanted["value"], str), "a number in a text"
        return int(wanted["value"])


def challenge(response: httpx.Response, client_id: str | None = GRAPH_APP_ID) -> Challenge:
    """The challenge of a response that must be one. `client_id` is the resource's; none where it is not told."""
    assert response.status_code == 401, response.text[:400]
    [header] = response.headers.get_list("www-authenticate")
    assert header.startswith("Bearer ")
    found = re.findall(r'([A-Za-z_]+)="([^"]*)"', header)
    # azure-core takes an unquoted value up to the next quote; each parameter may be there once.
    assert ", ".join(f'{name}="{value}"' for name, value in found) == header.removeprefix("Bearer "), header
    parameters = dict(found)
    assert len(parameters) == len(found), header
    assert parameters.get("error") == "insufficient_claims", header
    assert parameters.get("realm") == "", header
    if client_id is not None:
        assert parameters["client_id"] == client_id
    assert parameters["authorization_uri"].endswith("/oauth2/authorize")
    text = base64.b64decode(parameters["claims"], validate=True)
    # The Graph client for Python reads the standard alphabet with padding and nothing else.
    assert base64.b64encode(text).decode() == parameters["claims"]
    assert not set(text.decode("ascii")) & set(">?~")
    return Challenge(json.loads(text), parameters["errorDescription"], parameters)


def assert_plain_refusal(response: httpx.Response) -> None:
    """Refused, without the challenge that the client could not answer."""
    assert response.status_code == 401, response.text[:400]
    header = response.headers["www-authenticate"]
    assert header.startswith("Bearer ")
    assert "insufficient_claims" not in header and "claims=" not in header
