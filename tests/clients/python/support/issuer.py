"""An issuer of foreign tokens, as a cluster or a build system runs one: discovery and keys over HTTPS."""

import json
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from support.keys import Authority, Key

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
                document = issuer.documents().get(self.path)
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
