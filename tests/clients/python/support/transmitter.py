"""A transmitter of security events that is not ours: another identity provider, a scanner of leaked secrets."""

import time
import uuid

from support.issuer import Issuer
from support.keys import Key
from support.receiver import POLL, PUSH


class Transmitter(Issuer):
    """Its metadata and keys over HTTPS, and events signed with its key."""

    def documents(self) -> dict[str, dict]:
        return super().documents() | {
            "/.well-known/ssf-configuration": {
                "spec_version": "1_0", "issuer": self.url, "jwks_uri": f"{self.url}/keys",
                "delivery_methods_supported": [PUSH, POLL],
            },
        }

    def event(
        self, type: str, payload: dict, subject: dict, audience: str, *, key: Key | None = None,
        typ: str = "secevent+jwt", kid: str | None = None, **more: object,
    ) -> str:
        """A security event token; `more` overrides its claims, and None takes one away."""
        claims = {
            "iss": self.url, "aud": audience, "iat": int(time.time()), "jti": uuid.uuid4().hex,
            "txn": uuid.uuid4().hex, "sub_id": subject, "events": {type: payload},
        } | more
        claims = {name: value for name, value in claims.items() if value is not None}
        # `typ` is written over what `sign` begins with.
        return (key or self.key).sign(claims, alg="RS256", header={"kid": kid or self.kid, "typ": typ})
