"""A receiver of security events (RFC 8935), and what a receiver checks of each event.

It answers as a test tells it to: it can be down, slow, refuse, or do its work and lose the answer.
"""

import asyncio
import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import jwt

from support.keys import Authority
from support.tokens import header

CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
RISC = "https://schemas.openid.net/secevent/risc/event-type/"
SSF = "https://schemas.openid.net/secevent/ssf/event-type/"

SESSION_REVOKED = CAEP + "session-revoked"
CREDENTIAL_CHANGE = CAEP + "credential-change"
RISK_LEVEL_CHANGE = CAEP + "risk-level-change"
TOKEN_CLAIMS_CHANGE = CAEP + "token-claims-change"
ACCOUNT_DISABLED = RISC + "account-disabled"
ACCOUNT_ENABLED = RISC + "account-enabled"
ACCOUNT_PURGED = RISC + "account-purged"
CREDENTIAL_COMPROMISE = RISC + "credential-compromise"
VERIFICATION = SSF + "verification"
STREAM_UPDATED = SSF + "stream-updated"

PUSH, POLL = "urn:ietf:rfc:8935", "urn:ietf:rfc:8936"


@dataclass(frozen=True)
class Answer:
    """What the receiver says to a delivery. `accepts` is whether it has taken the event, whatever it says."""

    status: int = 202
    accepts: bool = True
    delay: float = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: dict | None = None


ACCEPTED = Answer()


def refused(err: str) -> Answer:
    """RFC 8935, section 2.3."""
    body = {"err": err, "description": "as the test wants it"}
    return Answer(400, False, headers={"Content-Type": "application/json", "Content-Language": "en"}, body=body)


def failing(status: int, **headers: str) -> Answer:
    return Answer(status, False, headers={name.replace("_", "-"): value for name, value in headers.items()})


LOST = Answer(500, True)
"""The event is taken and the answer is lost: the transmitter must send it again."""


@dataclass(frozen=True)
class Delivery:
    at: float
    path: str
    headers: dict[str, str]
    token: str
    accepted: bool


@dataclass(frozen=True)
class Event:
    """A security event token, verified."""

    jti: str
    type: str
    payload: dict
    subject: dict
    claims: dict

    @property
    def principal(self) -> str | None:
        """The service principal that it is about."""
        return self.subject.get("application", {}).get("sub")


def verified(token: str, keys: dict, issuer: str, audience: str) -> Event:
    """Everything that a receiver must check (RFC 8417, SSF 1.0), with the published keys of the transmitter."""
    head = header(token)
    assert head["typ"] == "secevent+jwt", head
    assert head["alg"] == "RS256", "the interoperability profile"
    [key] = [key for key in keys["keys"] if key["kid"] == head["kid"]]
    # PyJWT does not check the type, which is why it is checked above.
    claims = jwt.decode(token, jwt.PyJWK(key).key, algorithms=["RS256"], audience=audience, issuer=issuer)
    assert not {"sub", "exp"} & set(claims), "forbidden in a security event token"
    assert {"iss", "aud", "iat", "jti", "sub_id", "events"} <= set(claims)
    assert abs(claims["iat"] - time.time()) < 300
    [(type, payload)] = claims["events"].items()
    return Event(claims["jti"], type, payload, claims["sub_id"], claims)


class Receiver:
    """Listens on a free port of this machine until `close`; each path below its address is a stream's."""

    def __init__(self, authority: Authority, folder: Path) -> None:
        self.deliveries: list[Delivery] = []
        self.answers: dict[str, Callable[[str], Answer]] = {}
        self.connections: list[socket.socket] = []
        self.lock = threading.Lock()
        pem = folder / "receiver.pem"
        pem.write_bytes(authority.server_pem())
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(pem)
        self.port = 0
        self.server: ThreadingHTTPServer | None = None
        self.up()

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def up(self) -> None:
        """Listens, on the same port as before."""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                token = self.rfile.read(int(self.headers["Content-Length"])).decode()
                answer = receiver.answers.get(self.path, lambda _: ACCEPTED)(token)
                if answer.delay:
                    time.sleep(answer.delay)
                headers = {name.lower(): value for name, value in self.headers.items()}
                with receiver.lock:
                    receiver.deliveries.append(
                        Delivery(time.monotonic(), self.path, headers, token, answer.accepts)
                    )
                body = json.dumps(answer.body).encode() if answer.body else b""
                try:
                    self.send_response(answer.status)
                    for name, value in answer.headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    # The transmitter did not wait for a slow answer.
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                """Nothing: tests fail with what the server says."""

        class Listener(ThreadingHTTPServer):
            allow_reuse_address = True
            daemon_threads = True

            def get_request(self):
                connection, address = super().get_request()
                receiver.connections.append(connection)
                return connection, address

        self.server = Listener(("127.0.0.1", self.port), Handler)
        self.server.socket = self.context.wrap_socket(
            self.server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def down(self) -> None:
        """Refuses connections, and breaks those that a transmitter kept."""
        assert self.server is not None
        self.server.shutdown()
        self.server.server_close()
        self.server = None
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.connections.clear()

    def close(self) -> None:
        if self.server is not None:
            self.down()

    def answer(self, path: str, *answers: Answer, then: Answer = ACCEPTED) -> None:
        """Gives these answers at a path one after the other, and the last one from then on."""
        left = list(answers)
        lock = threading.Lock()

        def next_one(_: str) -> Answer:
            with lock:
                return left.pop(0) if left else then

        self.answers[path] = next_one

    def at(self, path: str) -> list[Delivery]:
        with self.lock:
            return [delivery for delivery in self.deliveries if delivery.path == path]


async def keys_of(http: httpx.AsyncClient, configuration: dict) -> dict:
    """The keys with which a transmitter signs."""
    response = await http.get(configuration["jwks_uri"])
    assert response.status_code == 200, response.text
    return response.json()


@dataclass
class Stream:
    """A stream of one receiver: what manages it, and what arrived."""

    # Signed in as the receiver's client, at the transmitter.
    http: httpx.AsyncClient
    configuration: dict
    keys: dict
    document: dict
    receiver: Receiver | None = None
    path: str = ""

    @property
    def id(self) -> str:
        return self.document["stream_id"]

    def events(self) -> list[Event]:
        """What was accepted, in the order of first acceptance; each must be the same whenever it comes again."""
        found: dict[str, Event] = {}
        for delivery in self.receiver.at(self.path):
            event = verified(delivery.token, self.keys, self.document["iss"], self.document["aud"])
            assert found.get(event.jti, event) == event, "one `jti`, two events"
            if delivery.accepted:
                found.setdefault(event.jti, event)
        return list(found.values())

    def about(self, principal: str, *types: str) -> list[Event]:
        return [one for one in self.events() if one.principal == principal and (not types or one.type in types)]

    async def wait(self, enough: Callable[[], bool], seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        while not enough():
            received = [(one.type.rsplit("/", 1)[-1], one.subject) for one in self.events()]
            assert time.monotonic() < deadline, f"not enough after {seconds} s: {received}"
            await asyncio.sleep(0.02)

    async def expect(self, principal: str, *types: str, seconds: float = 20) -> list[Event]:
        """Events about a principal, as soon as there is one of each type; in order of their arrival."""
        await self.wait(lambda: {one.type for one in self.about(principal, *types)} >= set(types), seconds)
        return self.about(principal, *types)

    async def set_status(self, status: str, **more: str) -> None:
        response = await self.http.post(
            self.configuration["status_endpoint"], json={"stream_id": self.id, "status": status} | more
        )
        assert response.status_code in (200, 202), response.text

    async def poll(self, **body: object) -> dict:
        """One request of a poll (RFC 8936)."""
        response = await self.http.post(
            self.document["delivery"]["endpoint_url"], json={"returnImmediately": True} | body
        )
        assert response.status_code == 200, response.text
        assert response.headers["content-type"].startswith("application/json")
        return response.json()

    def read(self, sets: dict[str, str]) -> list[Event]:
        """The events of an answer to a poll."""
        events = []
        for jti, token in sets.items():
            event = verified(token, self.keys, self.document["iss"], self.document["aud"])
            assert event.jti == jti
            events.append(event)
        return events
