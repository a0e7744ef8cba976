"""People who sign in with another provider: it says who they are, the directory says what they may."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from msgraph.generated.models.user import User

from support import graph as graphs
from support.issuer import Provider
from support.keys import Key
from support.people import TOOLS, Authorization, Browser, Page, Person, TokenOnly, device_flow, new_person, poll
from support.server import Server, own_server
from support.tokens import claims


@dataclass
class Setting:
    server: Server
    provider: Provider
    person: Person

    @property
    def request(self) -> Authorization:
        return Authorization(self.server.contoso)


@pytest.fixture(scope="module")
async def setting(database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Setting]:
    """A server that knows another provider, and a person of its tenant."""
    folder: Path = tmp_path_factory.mktemp("provider")
    with own_server(database) as server:
        provider = Provider(server.issuers, folder)
        secret = folder / "secret"
        secret.write_text(f"{provider.SECRET}\n")
        server.configuration = f"""
[oidc]
issuer = "{provider.url}"
client_id = "{provider.CLIENT_ID}"
client_secret_file = "{secret}"
label = "Sign in with Adatum"
"""
        server.start()
        admin = server.contoso.admin
        async with graphs.signed_in(server, server.contoso, admin.client_id, admin.secret) as graph:
            yield Setting(server, provider, await new_person(graph, server.contoso, "Security Reader"))
        provider.close()


@pytest.fixture
def browser(setting: Setting) -> Iterator[Browser]:
    with Browser(setting.server) as browser:
        yield browser


def depart(setting: Setting, browser: Browser) -> str:
    """The address at the provider that the button leads to."""
    return browser.submit(browser.open(setting.request.url), form=1).location


def return_as(setting: Setting, browser: Browser, email: str, /, **more: object) -> Page:
    return browser.open(setting.provider.authorize(depart(setting, browser), email, **more))


async def test_a_person_signs_in(setting: Setting, browser: Browser):
    request = setting.request
    page = browser.open(request.url)
    assert "Sign in with Adatum" in page.text
    location = browser.submit(page, form=1).location
    asked = dict(parse_qsl(urlsplit(location).query))
    assert asked["client_id"] == setting.provider.CLIENT_ID and asked["response_type"] == "code"
    assert "openid" in asked["scope"].split() and asked["code_challenge_method"] == "S256"
    assert asked["redirect_uri"] == f"{setting.server.authority}/signin/callback"
    page = browser.open(setting.provider.authorize(location, setting.person.name))
    assert page.answer["state"] == "of this request"
    response = request.exchange(browser.http, page.answer["code"])
    token = response.json()["access_token"]
    assert (claims(token)["oid"], claims(token)["appid"]) == (setting.person.id, TOOLS)
    graph = graphs.client(setting.server, TokenOnly(token))
    assert (await graph.me.get()).user_principal_name == setting.person.name


def test_browsers_may_follow_the_button(setting: Setting, browser: Browser):
    """Chromium holds the redirects of a form to `form-action`: it would not go to the provider."""
    page = browser.open(setting.request.url)
    assert setting.provider.url in page.policy["form-action"]


def test_an_address_in_other_letters(setting: Setting, browser: Browser):
    assert return_as(setting, browser, setting.person.name.upper()).answer["code"]


def test_a_device_is_confirmed_all_the_same(setting: Setting, browser: Browser):
    flow = device_flow(browser, setting.server.contoso)
    page = browser.submit(browser.open("/device"), user_code=flow["user_code"])
    page = browser.open(setting.provider.authorize(browser.submit(page, form=1).location, setting.person.name))
    assert page.title == "Connect the device?" and setting.person.name in page.text
    assert poll(browser, setting.server.contoso, flow).json()["error"] == "authorization_pending"
    browser.submit(page, answer="yes")
    assert poll(browser, setting.server.contoso, flow).status_code == 200


def test_the_password_stays_possible(setting: Setting, browser: Browser):
    assert browser.sign_in(browser.open(setting.request.url), setting.person).answer["code"]


REFUSED = {
    "wrong nonce": {"nonce": "another"},
    "no nonce": {"nonce": None},
    "wrong audience": {"aud": "somebody-else"},
    "no audience": {"aud": None},
    "wrong issuer": {"iss": "https://evil.example"},
    "expired": {"iat": 1_700_000_000, "exp": 1_700_000_600},
    "not yet": {"nbf": 4_000_000_000},
    "no end": {"exp": None},
    "bad signature": {"key": Key("forger")},
    "no address": {"email": None},
    "address that is no text": {"email": ["a", "b"]},
    "unverified address": {"email_verified": False},
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(setting: Setting, browser: Browser, name: str):
    page = return_as(setting, browser, setting.person.name, **REFUSED[name])
    assert (page.status, page.title) == (502, "Sign-in is not possible")
    assert "location" not in page.response.headers and not page.forms


@pytest.mark.parametrize("name", ["nobody@elsewhere.example", "admin@fabrikam.example", "", "%", "' or 1=1 --"])
def test_somebody_without_an_account(setting: Setting, browser: Browser, name: str):
    page = return_as(setting, browser, name)
    assert (page.status, page.title) == (403, "You have no account here")


async def test_a_disabled_person(setting: Setting, browser: Browser):
    server, admin = setting.server, setting.server.contoso.admin
    async with graphs.signed_in(server, server.contoso, admin.client_id, admin.secret) as graph:
        person = await new_person(graph, server.contoso)
        await graph.users.by_user_id(person.id).patch(User(account_enabled=False))
    assert return_as(setting, browser, person.name).status == 403


def test_a_provider_that_says_no(setting: Setting, browser: Browser):
    state = dict(parse_qsl(urlsplit(depart(setting, browser)).query))["state"]
    page = browser.open(f"/signin/callback?error=access_denied&state={state}")
    assert (page.status, page.title) == (502, "Sign-in is not possible")


def test_a_return_is_good_once(setting: Setting, browser: Browser):
    location = depart(setting, browser)
    url = setting.provider.authorize(location, setting.person.name)
    assert browser.open(url).answer["code"]
    asked = len(setting.provider.forms)
    assert browser.open(url).status == 502
    assert browser.open(setting.provider.authorize(location, setting.person.name)).status == 502
    assert len(setting.provider.forms) == asked, "the provider is not even asked"


@pytest.mark.parametrize("query", ["", "state=x&code=y", "code=y", f"state={'A' * 43}&code=y"])
def test_a_return_of_somebody_who_never_left(browser: Browser, query: str):
    assert browser.open(f"/signin/callback?{query}").status == 502


def test_a_code_of_another_sign_in(setting: Setting, browser: Browser):
    """Two sign-ins, and the answers are exchanged: the verifier of the one does not fit the code of the other."""
    first, second = depart(setting, browser), depart(setting, browser)
    answers = [dict(parse_qsl(urlsplit(setting.provider.authorize(location, setting.person.name)).query))
               for location in (first, second)]
    query = f"state={answers[0]['state']}&code={answers[1]['code']}"
    assert browser.open(f"/signin/callback?{query}").status == 502


def test_the_reason_is_in_the_log_and_not_on_the_page(setting: Setting, browser: Browser):
    page = return_as(setting, browser, setting.person.name, nonce="another")
    assert "nonce" not in page.text and "token" not in page.text
    assert "the id token is of another sign-in" in setting.server.log_tail()
    assert setting.provider.SECRET not in setting.server.log.read_text()


@pytest.mark.parametrize("verified", [None, "false", 0])
def test_an_address_that_nobody_says_is_verified(setting: Setting, browser: Browser, verified: object):
    assert return_as(setting, browser, setting.person.name, email_verified=verified).status == 502


def test_the_way_back_is_of_the_browser_that_went(setting: Setting, browser: Browser):
    """Somebody who began a sign-in, and lets another finish it, would get that one's code."""
    page = browser.submit(browser.open(setting.request.url), form=1)
    cookie = page.response.headers["set-cookie"]
    for word in ["__Host-", "Secure", "HttpOnly", "SameSite=Lax", "Path=/"]:
        assert word in cookie
    back = setting.provider.authorize(page.location, setting.person.name)
    with Browser(setting.server) as other:
        assert other.open(back).status == 502
        assert "another browser" in setting.server.log_tail()
    assert browser.open(back).answer["code"], "the right browser goes on"


def test_a_server_without_a_provider(server: Server):
    with Browser(server) as browser:
        page = browser.open(Authorization(server.contoso).url)
        assert len(page.forms) == 1
        response = browser.http.post("/signin/external", data=page.forms[0].fields)
        assert Page(response).status == 502


def test_a_provider_that_is_away(database: str, tmp_path: Path):
    with own_server(database, second=False) as server:
        provider = Provider(server.issuers, tmp_path)
        secret = tmp_path / "secret"
        secret.write_text(provider.SECRET)
        server.configuration = (
            f'[oidc]\nissuer = "{provider.url}"\nclient_id = "c"\nclient_secret_file = "{secret}"\n'
        )
        provider.close()
        server.start()
        with Browser(server) as browser:
            page = browser.open(Authorization(server.contoso).url)
            assert browser.submit(page, form=1).status == 502
            admin = Person("", server.contoso.user_principal_name, server.contoso.password)
            assert browser.sign_in(page, admin).answer["code"], "the password still works"


def test_anybody_may_not_make_the_server_ask_its_own_network(database: str, tmp_path: Path):
    """Unless that is configured; see `outbound.allow_private`."""
    with own_server(database, second=False) as server:
        provider = Provider(server.issuers, tmp_path)
        server.configuration = (
            f'[oidc]\nissuer = "{provider.url}"\nclient_id = "c"\nclient_secret_file = "{tmp_path / "none"}"\n'
        )
        server.variables = {"COUNTERSIGN_OUTBOUND_ALLOW_PRIVATE": "false"}
        server.start()
        with Browser(server) as browser:
            page = browser.submit(browser.open(Authorization(server.contoso).url), form=1)
        assert page.status == 502
        assert not provider.requests
        assert "outbound.allow_private" in server.log_tail()
        provider.close()


def test_pages_after_the_button_are_those_of_the_client(setting: Setting, browser: Browser):
    """The request for a code is that of the tenant whose page it was."""
    request = Authorization(setting.server.fabrikam)
    page = browser.submit(browser.open(request.url), form=1)
    page = browser.open(setting.provider.authorize(page.location, setting.person.name))
    assert page.status == 403, "a person of Contoso is nobody in Fabrikam"
    assert httpx.URL(browser.submit(browser.open(request.url), form=1).location).host == "localhost"
