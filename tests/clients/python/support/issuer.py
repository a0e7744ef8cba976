"""An issuer of foreign tokens, as a cluster or a build system runs one: discovery and keys over HTTPS."""

import hashlib
import json
import ssl
import threading
import time
import uuid
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

from support.keys import Authority, Key, b64url

AUDIENCE = "api://AzureADTokenExchange"


class Issuer:
    """Serves its documents on a free port of this machine until `close`."""

    def __init__(self, authority: Authority, folder: Path) -> None:
        self.key = Key("issuer")
        self.kid = "key-1"
        self.requests: list[str] = []
        pem = folder / "issuer.pem"
        pem.write_bytes(authority.server_pem())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                issuer.requests.append(self.path)
                self.answer(issuer.documents().get(self.path))

            def do_POST(self) -> None:
                issuer.requests.append(self.path)
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.answer(issuer.posted(self.path, dict(parse_qsl(body.decode()))))

            def answer(self, document: dict | None) -> None:
                body = json.dumps(document).encode()
                self.send_response(200 if document else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nothing: tests fail with what the server says."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        # The handshake is left to the thread of each connection.
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"https://localhost:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def documents(self) -> dict[str, dict]:
        return {
            "/.well-known/openid-configuration": {
                "issuer": self.url,
                "jwks_uri": f"{self.url}/keys",
                "response_types_supported": ["id_token"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
            },
            "/keys": {"keys": [self.key.jwk(self.kid)]},
        }

    def posted(self, path: str, form: dict[str, str]) -> dict | None:
        """The answer to a form; nothing for 404."""
        return None

    def token(self, subject: str, *, key: Key | None = None, **more) -> str:
        """A token for `subject`; `more` overrides its claims, `key` signs in the issuer's place."""
        now = int(time.time())
        claims = {
            "iss": self.url, "sub": subject, "aud": AUDIENCE, "iat": now, "nbf": now, "exp": now + 600,
        }
        return (key or self.key).sign(claims | more, alg="RS256", header={"kid": self.kid})

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Provider(Issuer):
    """A provider of sign-in for people (OpenID Connect), at which everybody is signed in already."""

    CLIENT_ID = "countersign"
    SECRET = "a secret between the two"

    def __init__(self, authority: Authority, folder: Path) -> None:
        super().__init__(authority, folder)
        self.codes: dict[str, tuple[dict[str, str], Callable[[dict], str | None]]] = {}
        self.forms: list[dict[str, str]] = []

    def documents(self) -> dict[str, dict]:
        documents = super().documents()
        documents["/.well-known/openid-configuration"] |= {
            "authorization_endpoint": f"{self.url}/authorize", "token_endpoint": f"{self.url}/token",
        }
        return documents

    def authorize(self, location: str, email: str, /, *, key: Key | None = None, **more: object) -> str:
        """Where the browser is sent with the code of a person. `more` overrides claims; None takes one away."""
        asked = dict(parse_qsl(urlsplit(location).query))
        assert location.startswith(f"{self.url}/authorize?")
        code = uuid.uuid4().hex

        def id_token(asked: dict) -> str:
            own = {"aud": self.CLIENT_ID, "nonce": asked["nonce"], "email": email, "email_verified": True}
            claims = {"iss": self.url, "sub": email, "iat": int(time.time()), "exp": int(time.time()) + 600}
            claims = {name: value for name, value in (claims | own | more).items() if value is not None}
            return (key or self.key).sign(claims, alg="RS256", header={"kid": self.kid})

        self.codes[code] = asked, id_token
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def posted(self, path: str, form: dict[str, str]) -> dict | None:
        """The exchange of a code, with everything that a provider checks."""
        self.forms.append(form)
        asked, id_token = self.codes.pop(form.get("code", ""), (None, None))
        if path != "/token" or asked is None:
            return None
        proven = b64url(hashlib.sha256(form["code_verifier"].encode()).digest()) == asked["code_challenge"]
        is_client = (form["client_id"], form["client_secret"]) == (self.CLIENT_ID, self.SECRET)
        if not (proven and is_client and form["redirect_uri"] == asked["redirect_uri"]):
            return None
        return {"access_token": "x", "token_type": "Bearer", "id_token": id_token(asked)}
