"""People, and what they do in a browser: pages are read, forms are filled in and sent."""

import base64
import hashlib
import hmac
import struct
import threading
import time
import uuid
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import msal
from azure.core.credentials import AccessToken
from msgraph import GraphServiceClient
from msgraph.generated.models.password_profile import PasswordProfile
from msgraph.generated.models.unified_role_assignment import UnifiedRoleAssignment
from msgraph.generated.models.user import User

from support import graph as graphs
from support.keys import b64url
from support.server import Server, Tenant

# Microsoft's command-line tools for Graph, a public client that every tenant has.
TOOLS = "14d82eec-204b-4c2f-b7e8-296a70dab67e"
REDIRECT = "http://localhost:5555"

READ_RISK = "https://graph.microsoft.com/IdentityRiskyServicePrincipal.Read.All"
WRITE_RISK = "https://graph.microsoft.com/IdentityRiskyServicePrincipal.ReadWrite.All"
EVERYTHING = "https://graph.microsoft.com/.default"

# Template ids of directory roles.
ROLES = {
    "Global Administrator": "62e90394-69f5-4237-9190-012177145e10",
    "Security Operator": "5f2222b1-57c3-48ba-8ad5-d4759f1fde6f",
    "Security Reader": "5d6b6bb7-de71-4623-b4af-96380a352509",
}


@dataclass(frozen=True)
class Person:
    id: str
    name: str
    password: str
    assignments: tuple[str, ...] = ()


async def new_person(graph: GraphServiceClient, tenant: Tenant, *roles: str) -> Person:
    """A new user with a password and directory roles."""
    name, password = graphs.unique("person"), uuid.uuid4().hex
    user = await graph.users.post(
        User(
            account_enabled=True, display_name=name, user_principal_name=f"{name}@{tenant.domain}",
            mail_nickname=name, password_profile=PasswordProfile(password=password),
        )
    )
    assignments = []
    for role in roles:
        body = UnifiedRoleAssignment(principal_id=user.id, role_definition_id=ROLES[role], directory_scope_id="/")
        assignments.append((await graph.role_management.directory.role_assignments.post(body)).id)
    return Person(user.id, user.user_principal_name, password, tuple(assignments))


def totp(secret: str, step: int = 0, at: float | None = None) -> str:
    """The code of an authenticator app (RFC 6238), `step` steps of 30 s from now."""
    counter = int((time.time() if at is None else at) // 30) + step
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    tag = hmac.digest(key, struct.pack(">Q", counter), "sha1")
    word = struct.unpack(">I", tag[tag[-1] & 15 :][:4])[0] & 0x7FFFFFFF
    return f"{word % 1_000_000:06}"


@dataclass
class Form:
    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    inputs: list[dict[str, str | None]] = field(default_factory=list)
    buttons: list[dict[str, str | None]] = field(default_factory=list)


class Page(HTMLParser):
    """A page as a person sees it."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__()
        self.response = response
        self.status = response.status_code
        self.title = self.alert = self.text = ""
        self.forms: list[Form] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.labels: list[str | None] = []
        self._open: list[tuple[str, dict[str, str | None]]] = []
        self.feed(response.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        own = dict(attrs)
        self.tags.append((tag, own))
        if tag == "form":
            self.forms.append(Form(own.get("action") or "", (own.get("method") or "get").lower()))
        elif tag == "input":
            self.forms[-1].inputs.append(own)
            self.forms[-1].fields[own["name"]] = own.get("value") or ""
        elif tag == "button" and self.forms:
            self.forms[-1].buttons.append(own)
        elif tag == "label":
            self.labels.append(own.get("for"))
        if tag not in ("input", "meta"):
            self._open.append((tag, own))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        tag, own = self._open[-1] if self._open else ("", {})
        if tag == "h1":
            self.title += data
        elif own.get("role") == "alert":
            self.alert += data
        if tag not in ("style", "title"):
            self.text += data

    @property
    def location(self) -> str:
        """Where the browser is sent next."""
        assert self.response.is_redirect, f"{self.status} {self.title}: {self.alert or self.text}"
        return self.response.headers["location"]

    @property
    def answer(self) -> dict[str, str]:
        """What the client is sent along with the redirect."""
        return dict(parse_qsl(urlsplit(self.location).query))

    @property
    def policy(self) -> dict[str, list[str]]:
        """The content security policy."""
        parts = [part.split() for part in self.response.headers["content-security-policy"].split(";")]
        return {part[0]: part[1:] for part in parts if part}


class Browser:
    """Follows no redirect by itself: where they lead is what tests are about."""

    def __init__(self, server: Server) -> None:
        self.http = httpx.Client(
            verify=graphs.tls(server), base_url=server.authority, follow_redirects=False, timeout=60, trust_env=False
        )

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def open(self, url: str) -> Page:
        return Page(self.http.get(url))

    def submit(self, page: Page, form: int = 0, **fields: str) -> Page:
        """Fills a form in and sends it."""
        form_ = page.forms[form]
        assert form_.method == "post"
        return Page(self.http.post(form_.action, data=form_.fields | fields))

    def sign_in(self, page: Page, person: Person, code: str | None = None) -> Page:
        """Name and password, then the code of the authenticator."""
        page = self.submit(page, user=person.name, password=person.password)
        return page if code is None else self.submit(page, code=code)

    def connect(self, user_code: str, person: Person, answer: str = "yes", address: str = "/device") -> Page:
        """A person's side of the device code flow."""
        page = self.submit(self.open(address), user_code=user_code)
        page = self.sign_in(page, person)
        return self.submit(page, answer=answer)


@dataclass
class Authorization:
    """A request for a code, as a client makes it, with what the client keeps for the exchange."""

    tenant: Tenant
    client_id: str = TOOLS
    redirect_uri: str = REDIRECT
    scope: str = f"{EVERYTHING} openid profile offline_access"
    verifier: str = field(default_factory=lambda: b64url(uuid.uuid4().bytes * 3))
    more: dict[str, str | None] = field(default_factory=dict)

    @property
    def url(self) -> str:
        fields = {
            "client_id": self.client_id,
            "response_type": "code",
            "redirect_uri": self.redirect_uri,
            "scope": self.scope,
            "state": "of this request",
            "nonce": "of this client",
            "code_challenge": b64url(hashlib.sha256(self.verifier.encode()).digest()),
            "code_challenge_method": "S256",
        } | self.more
        query = urlencode({name: value for name, value in fields.items() if value is not None})
        return f"/{self.tenant.id}/oauth2/v2.0/authorize?{query}"

    def code(self, browser: Browser, person: Person) -> str:
        return browser.sign_in(browser.open(self.url), person).answer["code"]

    def exchange(self, http: httpx.Client, code: str, **more: str) -> httpx.Response:
        """Asks for a token by code; `more` overrides the fields."""
        fields = {
            "grant_type": "authorization_code", "client_id": self.client_id, "code": code,
            "redirect_uri": self.redirect_uri, "code_verifier": self.verifier, "scope": self.scope,
        }
        return http.post(f"/{self.tenant.id}/oauth2/v2.0/token", data=fields | more)

    def tokens(self, browser: Browser, person: Person) -> dict:
        """All tokens that the flow ends with."""
        response = self.exchange(browser.http, self.code(browser, person))
        assert response.status_code == 200, response.text
        return response.json()


def refresh(http: httpx.Client, tenant: Tenant, token: str, **more: str) -> httpx.Response:
    fields = {"grant_type": "refresh_token", "client_id": TOOLS, "refresh_token": token, "scope": EVERYTHING}
    return http.post(f"/{tenant.id}/oauth2/v2.0/token", data=fields | more)


def device_flow(browser: Browser, tenant: Tenant) -> dict:
    response = browser.http.post(
        f"/{tenant.id}/oauth2/v2.0/devicecode", data={"client_id": TOOLS, "scope": f"{EVERYTHING} offline_access"}
    )
    assert response.status_code == 200, response.text
    return response.json()


def poll(browser: Browser, tenant: Tenant, flow: dict) -> httpx.Response:
    """A device asks whether the person is done."""
    return browser.http.post(
        f"/{tenant.id}/oauth2/v2.0/token",
        data={
            "grant_type": "urn:ietf:params:oauth:grant-type:device_code", "client_id": TOOLS,
            "device_code": flow["device_code"],
        },
    )


def give_authenticator(server: Server, tenant: Tenant, person: Person) -> str:
    secret, address = server.done("user", "totp", "--tenant", tenant.id, "--user", person.name).split()
    assert address.startswith("otpauth://totp/") and f"secret={secret}" in address
    return secret


def public(server: Server, tenant: Tenant | str, client_id: str = TOOLS) -> msal.PublicClientApplication:
    """msal as a script uses it."""
    name = tenant if isinstance(tenant, str) else tenant.id
    return msal.PublicClientApplication(
        client_id, authority=f"{server.authority}/{name}", instance_discovery=False, verify=server.ca
    )


class TokenOnly:
    """A credential for Graph's client that has one token."""

    def __init__(self, token: str) -> None:
        self.token = token

    async def get_token(self, *_: str, **__: object) -> AccessToken:
        return AccessToken(self.token, int(time.time()) + 3000)

    async def close(self) -> None:
        """Nothing to close."""


class PlayedBrowser(webbrowser.BaseBrowser):
    """What `webbrowser` opens: a person who does something with the address, in a thread of their own."""

    def __init__(self, play: Callable[[str], None]) -> None:
        super().__init__("played")
        self.play = play

    def open(self, url: str, new: int = 0, autoraise: bool = True) -> bool:
        threading.Thread(target=self.play, args=(url,), daemon=True).start()
        return True
