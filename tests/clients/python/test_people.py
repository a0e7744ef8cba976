"""People sign in: on pages, by code, by device; and what they may do afterwards."""

import json
import time
import webbrowser
from collections import Counter
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from azure.identity import DeviceCodeCredential
from msgraph import GraphServiceClient
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.password_profile import PasswordProfile
from msgraph.generated.models.public_client_application import PublicClientApplication
from msgraph.generated.models.sign_in import SignIn
from msgraph.generated.models.user import User

from support import graph as graphs
from support.graph import Workload, listed
from support.people import (
    READ_RISK, REDIRECT, TOOLS, WRITE_RISK, EVERYTHING, Authorization, Browser, Page, Person, PlayedBrowser, TokenOnly,
    device_flow, give_authenticator, new_person, poll, public, refresh, totp,
)
from support.refusals import assert_refused
from support.server import GRAPH_SCOPE, Server, Tenant, own_server
from support.tokens import checked_claims, claims

WRONG = "The user name or the password is wrong."


@pytest.fixture(scope="module")
async def risky(graph: GraphServiceClient) -> AsyncIterator[Workload]:
    workload = await graphs.new_workload(graph, "risky")
    await graphs.confirm(graph, workload.service_principal_id)
    yield workload


def by_person(server: Server, token: str, version: str = "v1.0") -> GraphServiceClient:
    return graphs.client(server, TokenOnly(token), version)


def me(browser: Browser, token: str) -> httpx.Response:
    return browser.http.get("/v1.0/me", headers={"Authorization": f"Bearer {token}"})


# Authorization code.


def test_msal_with_a_code(server: Server, contoso: Tenant, browser: Browser, operator: Person):
    app = public(server, contoso)
    flow = app.initiate_auth_code_flow([READ_RISK], redirect_uri=REDIRECT, login_hint=operator.name)
    page = browser.open(flow["auth_uri"])
    assert page.status == 200
    [user] = [own for own in page.forms[0].inputs if own["name"] == "user"]
    assert user["value"] == operator.name, "the hint is filled in"
    answer = browser.sign_in(page, operator)
    assert answer.location.startswith(f"{REDIRECT}?")
    result = app.acquire_token_by_auth_code_flow(flow, answer.answer)
    assert "error" not in result, result
    assert result["id_token_claims"]["preferred_username"] == operator.name
    assert (result["id_token_claims"]["oid"], result["id_token_claims"]["tid"]) == (operator.id, contoso.id)
    found = claims(result["access_token"])
    assert found["scp"] == "IdentityRiskyServicePrincipal.Read.All"
    assert (found["oid"], found["appid"], found["idtyp"]) == (operator.id, TOOLS, "user")
    assert "roles" not in found, "those are of applications"
    [account] = app.get_accounts()
    assert (account["username"], account["home_account_id"]) == (operator.name, f"{operator.id}.{contoso.id}")


def test_no_page_where_the_client_wants_none(contoso: Tenant, browser: Browser):
    """OpenID Connect Core section 3.1.2.6: the person would have to do something."""
    answer = browser.open(Authorization(contoso, more={"prompt": "none"}).url).answer
    assert (answer["error"], answer["state"]) == ("login_required", "of this request")
    assert "AADSTS50058" in answer["error_description"]
    assert browser.open(Authorization(contoso, more={"prompt": "none login"}).url).answer["error"] == "invalid_request"
    for prompt in ["login", "consent", "select_account"]:
        assert browser.open(Authorization(contoso, more={"prompt": prompt}).url).status == 200


def test_msal_opens_a_browser(server: Server, contoso: Tenant, operator: Person):
    """The script listens on a port of its own, which nobody registered."""
    seen = []

    def play(url: str) -> None:
        with Browser(server) as browser:
            page = browser.sign_in(browser.open(url), operator)
            [form] = page.forms
            seen.append(form.action)
            httpx.post(form.action, data=form.fields, trust_env=False)

    webbrowser.register("played", None, PlayedBrowser(play), preferred=True)
    try:
        result = public(server, contoso).acquire_token_interactive([READ_RISK], timeout=60)
    finally:
        webbrowser._tryorder.remove("played")
    assert claims(result["access_token"])["oid"] == operator.id, result
    assert seen[0].startswith("http://localhost:")


@pytest.mark.parametrize("mode", ["fragment", "form_post"])
def test_other_ways_back(contoso: Tenant, browser: Browser, operator: Person, mode: str):
    request = Authorization(contoso, more={"response_mode": mode})
    page = browser.sign_in(browser.open(request.url), operator)
    if mode == "fragment":
        assert page.location.startswith(f"{REDIRECT}#code=")
        return
    [form] = page.forms
    assert form.action == REDIRECT
    assert form.fields["state"] == "of this request"
    assert REDIRECT in page.policy["form-action"]
    assert request.exchange(browser.http, form.fields["code"]).status_code == 200


def test_the_id_token_holds_against_the_published_keys(
    server: Server, contoso: Tenant, browser: Browser, operator: Person
):
    tokens = Authorization(contoso).tokens(browser, operator)
    document = browser.http.get(f"/{contoso.id}/v2.0/.well-known/openid-configuration").json()
    keys = browser.http.get(document["jwks_uri"]).json()
    found = checked_claims(tokens["id_token"], keys, TOOLS, document["issuer"])
    assert found["nonce"] == "of this client"
    assert abs(found["auth_time"] - time.time()) < 60
    for name in ["authorization_endpoint", "device_authorization_endpoint"]:
        assert document[name].startswith(f"{server.authority}/{contoso.id}/oauth2/v2.0/"), name


def test_a_code_is_good_once(contoso: Tenant, browser: Browser, operator: Person):
    request = Authorization(contoso)
    code = request.code(browser, operator)
    assert request.exchange(browser.http, code).status_code == 200
    assert_refused(request.exchange(browser.http, code), 54005)


def test_a_code_is_good_once_also_at_the_same_time(contoso: Tenant, browser: Browser, operator: Person):
    request = Authorization(contoso)
    code = request.code(browser, operator)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: request.exchange(browser.http, code).status_code, range(8)))
    assert Counter(answers) == {200: 1, 400: 7}


def test_a_wrong_verifier_ends_the_code(contoso: Tenant, browser: Browser, operator: Person):
    request = Authorization(contoso)
    code = request.code(browser, operator)
    assert_refused(request.exchange(browser.http, code, code_verifier="x" * 43), 50148)
    assert_refused(request.exchange(browser.http, code), 54005)


def test_a_code_without_its_verifier(contoso: Tenant, browser: Browser, operator: Person):
    request = Authorization(contoso)
    code = request.code(browser, operator)
    assert_refused(request.exchange(browser.http, code, code_verifier=""), 50148, 900144)


@pytest.mark.parametrize("other", ["http://localhost:6666", "http://127.0.0.1:5555", "https://evil.example/"])
def test_a_code_for_another_address(contoso: Tenant, browser: Browser, operator: Person, other: str):
    request = Authorization(contoso)
    code = request.code(browser, operator)
    assert_refused(request.exchange(browser.http, code, redirect_uri=other), 50011)


async def test_a_code_of_another_client(
    graph: GraphServiceClient, contoso: Tenant, browser: Browser, operator: Person
):
    other = await graphs.new_workload(
        graph, "desktop", is_fallback_public_client=True,
        public_client=PublicClientApplication(redirect_uris=[REDIRECT]),
    )
    request = Authorization(contoso)
    code = request.code(browser, operator)
    assert_refused(request.exchange(browser.http, code, client_id=other.app_id), 70000)
    assert request.exchange(browser.http, code).status_code == 200, "nothing was taken from its owner"


async def test_a_code_in_another_tenant(contoso: Tenant, fabrikam: Tenant, browser: Browser, operator: Person):
    request = Authorization(contoso)
    code = request.code(browser, operator)
    assert_refused(Authorization(fabrikam, verifier=request.verifier).exchange(browser.http, code), 70000)


# Requests that are shown, and sent nowhere.


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/", "http://localhost.evil.example/", "http://localhost:1@evil.example/",
        "javascript:alert(1)", "http://localhost:5555/other", "//evil.example", REDIRECT + "\r\nSet-Cookie: a=b",
    ],
)
def test_an_address_that_is_not_registered_is_shown(contoso: Tenant, browser: Browser, address: str):
    page = browser.open(Authorization(contoso, redirect_uri=address).url)
    assert page.status == 400
    assert "AADSTS50011" in page.text
    assert "location" not in page.response.headers
    assert not page.forms and not [tag for tag, _ in page.tags if tag in ("a", "script")]
    assert_strict(page)


def test_an_unknown_client_is_shown(contoso: Tenant, browser: Browser):
    page = browser.open(Authorization(contoso, client_id="00000000-0000-0000-0000-000000000001").url)
    assert page.status == 400 and "AADSTS700016" in page.text


def test_what_is_echoed_is_text(contoso: Tenant, browser: Browser):
    for request in [
        Authorization(contoso, client_id="<script>alert(1)</script>"),
        Authorization(contoso, redirect_uri="<script>alert(1)</script>"),
        Authorization(contoso, more={"login_hint": '"><script>alert(1)</script>'}),
    ]:
        page = browser.open(request.url)
        assert not [tag for tag, _ in page.tags if tag == "script"]
        assert "<script" not in page.response.text


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"response_type": "token"}, "invalid_request"),
        ({"response_type": "id_token"}, "invalid_request"),
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"scope": None}, "invalid_request"),
    ],
)
def test_other_mistakes_are_sent_to_the_client(contoso: Tenant, browser: Browser, more: dict, error: str):
    page = browser.open(Authorization(contoso, more=more).url)
    assert page.location.startswith(f"{REDIRECT}?")
    assert page.answer["state"] == "of this request"
    assert page.answer["error"] in (error, "unsupported_response_type"), page.answer
    assert page.answer["error_description"].startswith("AADSTS")
    assert "code" not in page.answer


def test_a_tenant_that_is_not_there(contoso: Tenant, browser: Browser):
    url = Authorization(contoso).url.replace(contoso.id, "nowhere.example")
    page = browser.open(url)
    assert page.status == 400 and "AADSTS90002" in page.text


def test_which_tenant_must_be_said_where_there_are_several(contoso: Tenant, browser: Browser):
    page = browser.open(Authorization(contoso).url.replace(contoso.id, "organizations"))
    assert page.status == 400 and "AADSTS50059" in page.text


# Passwords.


async def test_a_wrong_password_tells_nothing(
    graph: GraphServiceClient, contoso: Tenant, browser: Browser, nobody: Person
):
    disabled = await new_person(graph, contoso)
    await graph.users.by_user_id(disabled.id).patch(User(account_enabled=False))
    request = Authorization(contoso)
    answers = {}
    for kind, name, password in [
        ("wrong password", nobody.name, "wrong"),
        ("unknown user", f"nobody-at-all@{contoso.domain}", "wrong"),
        ("disabled user", disabled.name, disabled.password),
        ("other tenant", "admin@fabrikam.example", "wrong"),
        ("no password", nobody.name, ""),
    ]:
        page = browser.submit(browser.open(request.url), user=name, password=password)
        text = page.response.text.replace(name, "NAME").replace(page.forms[0].fields["handle"], "HANDLE")
        answers[kind] = (page.status, page.alert, text)
    assert set(answers.values()) == {(401, WRONG, answers["wrong password"][2])}


def test_the_name_may_be_written_in_capitals(contoso: Tenant, browser: Browser, nobody: Person):
    page = browser.submit(
        browser.open(Authorization(contoso).url), user=nobody.name.upper(), password=nobody.password
    )
    assert page.answer["code"]


def test_one_sign_in_takes_five_tries(contoso: Tenant, browser: Browser, nobody: Person):
    page = browser.open(Authorization(contoso).url)
    for _ in range(5):
        page = browser.submit(page, user=nobody.name, password="wrong")
        assert page.alert == WRONG
    page = browser.sign_in(page, nobody)
    assert page.status == 401 and page.alert.startswith("Too many tries.")


def test_one_sign_in_takes_five_tries_also_at_the_same_time(
    server: Server, contoso: Tenant, browser: Browser, nobody: Person
):
    """Six digits are guessed soon by whoever may try any number of them."""
    give_authenticator(server, contoso, nobody)
    page = browser.sign_in(browser.open(Authorization(contoso).url), nobody)
    with ThreadPoolExecutor(20) as pool:
        pages = list(pool.map(lambda _: browser.submit(page, code="000000"), range(20)))
    assert sum("That code is wrong" in page.alert for page in pages) <= 5


def test_passwords_of_one_person_are_limited(contoso: Tenant, browser: Browser, nobody: Person):
    pages = [browser.open(Authorization(contoso).url) for _ in range(20)]
    with ThreadPoolExecutor(4) as pool:
        begun = time.monotonic()
        tried = list(pool.map(lambda page: browser.submit(page, user=nobody.name, password="wrong"), pages[:16]))
        seconds = time.monotonic() - begun
        right = list(pool.map(lambda page: browser.sign_in(page, nobody), pages[16:]))
    alerts = Counter(page.alert for page in tried)
    assert alerts[WRONG] <= 10 + seconds // 6 + 1
    assert alerts["Too many tries. Wait a minute."] >= 1
    assert sum(page.status == 401 for page in right) >= 2, "the right password does not help then"


def test_a_sign_in_is_good_once(contoso: Tenant, browser: Browser, nobody: Person):
    page = browser.open(Authorization(contoso).url)
    assert browser.sign_in(page, nobody).answer["code"]
    again = browser.sign_in(page, nobody)
    assert again.status == 400 and again.title == "The sign-in has ended"


@pytest.mark.parametrize("handle", ["", "x", "A" * 43, "ü"])
def test_a_sign_in_that_nobody_began(browser: Browser, nobody: Person, handle: str):
    response = browser.http.post("/signin", data={"handle": handle, "user": nobody.name, "password": nobody.password})
    assert response.status_code == 400


def test_a_new_password_takes_the_place_of_the_old(server: Server, contoso: Tenant, browser: Browser, nobody: Person):
    new = server.done("user", "password", "--tenant", contoso.id, "--user", nobody.name).strip()
    assert len(new) >= 20
    assert browser.sign_in(browser.open(Authorization(contoso).url), nobody).status == 401
    changed = Person(nobody.id, nobody.name, new)
    assert browser.sign_in(browser.open(Authorization(contoso).url), changed).answer["code"]


@pytest.mark.parametrize("password", ["short", "14 characters.", "x" * 257])
async def test_a_password_that_is_not_taken(graph: GraphServiceClient, contoso: Tenant, nobody: Person, password: str):
    with pytest.raises(ODataError) as error:
        await graph.users.by_user_id(nobody.id).patch(User(password_profile=PasswordProfile(password=password)))
    assert error.value.response_status_code == 400


async def test_a_password_set_by_an_administrator(
    graph: GraphServiceClient, contoso: Tenant, browser: Browser, nobody: Person
):
    password = "a new one, long enough"
    await graph.users.by_user_id(nobody.id).patch(User(password_profile=PasswordProfile(password=password)))
    assert browser.sign_in(browser.open(Authorization(contoso).url), nobody).status == 401
    changed = Person(nobody.id, nobody.name, password)
    assert browser.sign_in(browser.open(Authorization(contoso).url), changed).answer["code"]
    found = await graph.users.by_user_id(nobody.id).get()
    assert found.password_profile is None


async def test_a_new_password_ends_what_the_old_one_began(
    graph: GraphServiceClient, contoso: Tenant, browser: Browser, nobody: Person
):
    """As in Entra: whoever stole a refresh token loses it when the password is reset."""
    tokens = Authorization(contoso).tokens(browser, nobody)
    await graph.users.by_user_id(nobody.id).patch(
        User(password_profile=PasswordProfile(password="a new one, long enough"))
    )
    assert_refused(refresh(browser.http, contoso, tokens["refresh_token"]), 50173)


async def test_a_new_name_is_the_one_to_sign_in_with(
    graph: GraphServiceClient, contoso: Tenant, browser: Browser, nobody: Person
):
    name = graphs.unique("renamed")
    await graph.users.by_user_id(nobody.id).patch(User(user_principal_name=f"{name}@{contoso.domain}"))
    changed = Person(nobody.id, f"{name}@{contoso.domain}", nobody.password)
    assert browser.sign_in(browser.open(Authorization(contoso).url), changed).answer["code"]


async def test_a_new_name_stays_in_the_domain_of_the_tenant(graph: GraphServiceClient, nobody: Person):
    with pytest.raises(ODataError) as error:
        await graph.users.by_user_id(nobody.id).patch(User(user_principal_name="somebody@elsewhere.example"))
    assert error.value.response_status_code == 400


async def test_a_new_name_with_capitals_is_one_to_sign_in_with(
    graph: GraphServiceClient, contoso: Tenant, browser: Browser, nobody: Person
):
    name = graphs.unique("Renamed")
    await graph.users.by_user_id(nobody.id).patch(User(user_principal_name=f"{name}@{contoso.domain}"))
    changed = Person(nobody.id, f"{name}@{contoso.domain}", nobody.password)
    assert browser.sign_in(browser.open(Authorization(contoso).url), changed).status == 303


# Authenticators.


def test_the_codes_are_those_of_the_standard():
    """RFC 6238 appendix B, the last six digits."""
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    assert [totp(secret, at=at) for at in [59, 1111111109, 20000000000]] == ["287082", "081804", "353130"]


def test_with_an_authenticator_the_password_is_not_enough(
    server: Server, contoso: Tenant, browser: Browser, nobody: Person
):
    secret = give_authenticator(server, contoso, nobody)
    request = Authorization(contoso)
    page = browser.sign_in(browser.open(request.url), nobody)
    assert (page.status, page.title) == (200, "Enter your code")
    page = browser.submit(page, code="000000")
    assert page.status == 401 and page.alert
    page = browser.submit(page, code=totp(secret))
    assert request.exchange(browser.http, page.answer["code"]).status_code == 200


def test_a_code_of_the_authenticator_is_good_once(server: Server, contoso: Tenant, browser: Browser, nobody: Person):
    secret = give_authenticator(server, contoso, nobody)
    url, code = Authorization(contoso).url, totp(secret)
    assert browser.sign_in(browser.open(url), nobody, code).answer["code"]
    again = browser.sign_in(browser.open(url), nobody, code)
    assert again.status == 401 and "used already" in again.alert
    earlier = browser.submit(again, code=totp(secret, -1))
    assert earlier.status == 401, "neither is one before it"


def test_a_code_of_the_authenticator_is_good_once_also_at_the_same_time(
    server: Server, contoso: Tenant, browser: Browser, nobody: Person
):
    secret = give_authenticator(server, contoso, nobody)
    url = Authorization(contoso).url
    pages = [browser.sign_in(browser.open(url), nobody) for _ in range(6)]
    code = totp(secret)
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda page: browser.submit(page, code=code).status, pages))
    assert Counter(answers)[303] == 1, answers


def test_an_authenticator_does_not_replace_the_password(
    server: Server, contoso: Tenant, browser: Browser, nobody: Person
):
    secret = give_authenticator(server, contoso, nobody)
    page = browser.open(Authorization(contoso).url)
    page = browser.submit(page, user=nobody.name, password="wrong", code=totp(secret))
    assert page.status == 401 and page.alert == WRONG
    page = browser.submit(page, code=totp(secret))
    assert page.status == 401


def test_an_authenticator_can_be_taken_away(server: Server, contoso: Tenant, browser: Browser, nobody: Person):
    give_authenticator(server, contoso, nobody)
    server.done("user", "totp", "--remove", "--tenant", contoso.id, "--user", nobody.name)
    assert browser.sign_in(browser.open(Authorization(contoso).url), nobody).answer["code"]


def test_accounts_that_are_not_there(server: Server, contoso: Tenant):
    for words, expected in [
        (["user", "totp", "--tenant", contoso.id, "--user", "nobody@contoso.example"], "nobody@contoso.example"),
        (["user", "password", "--tenant", "nowhere.example", "--user", "a@b"], "nowhere.example"),
        (["user", "password", "--user", "a@b"], "--tenant"),
    ]:
        done = server.run(*words)
        assert done.returncode == 2
        assert expected in done.stderr and not done.stdout


# Devices.


def test_msal_with_a_device(server: Server, contoso: Tenant, browser: Browser, operator: Person):
    app = public(server, contoso)
    flow = app.initiate_device_flow([WRITE_RISK])
    assert flow["verification_uri"] == f"{server.authority}/device"
    assert flow["user_code"] in flow["message"] and flow["verification_uri"] in flow["message"]
    done = browser.connect(flow["user_code"], operator)
    assert (done.status, done.title) == (200, "The device is connected")
    result = app.acquire_token_by_device_flow(flow)
    assert claims(result["access_token"])["oid"] == operator.id, result
    assert claims(result["access_token"])["scp"] == "IdentityRiskyServicePrincipal.ReadWrite.All"
    [account] = app.get_accounts()
    assert account["username"] == operator.name


async def test_azure_identity_with_a_device(
    server: Server, contoso: Tenant, browser: Browser, reader: Person, risky: Workload
):
    """The credential gives the code to a callback and polls; here the person is quicker than its first question."""
    credential = DeviceCodeCredential(
        TOOLS, tenant_id=contoso.id, authority=server.authority, disable_instance_discovery=True,
        connection_verify=server.ca, prompt_callback=lambda _, user_code, __: browser.connect(user_code, reader),
    )
    with credential:
        client = graphs.client(server, TokenOnly(credential.get_token(GRAPH_SCOPE).token))
        assert (await client.me.get()).user_principal_name == reader.name


def test_a_device_waits(server: Server, contoso: Tenant, browser: Browser):
    app = public(server, contoso)
    flow = app.initiate_device_flow([WRITE_RISK])
    result = app.acquire_token_by_device_flow(flow, exit_condition=lambda _: True)
    assert result["error"] == "authorization_pending"
    assert_refused(poll(browser, contoso, device_flow(browser, contoso)), 70016)


def test_a_device_that_asks_too_often(contoso: Tenant, browser: Browser, operator: Person):
    """RFC 8628 section 3.5. Nobody has to wait once the person is done."""
    flow, other = device_flow(browser, contoso), device_flow(browser, contoso)

    def error(flow: dict) -> str:
        return poll(browser, contoso, flow).json()["error"]

    assert [error(flow), error(flow), error(other)] == ["authorization_pending", "slow_down", "authorization_pending"]
    time.sleep(flow["interval"])
    assert error(flow) == "authorization_pending"
    browser.connect(flow["user_code"], operator)
    assert poll(browser, contoso, flow).status_code == 200


@pytest.mark.parametrize("answer", ["no", "", "maybe"])
def test_a_person_says_no(contoso: Tenant, browser: Browser, operator: Person, answer: str):
    flow = device_flow(browser, contoso)
    assert browser.connect(flow["user_code"], operator, answer).title == "The device was not connected"
    assert_refused(poll(browser, contoso, flow), 70019)


def test_the_sign_in_alone_connects_no_device(contoso: Tenant, browser: Browser, operator: Person):
    flow = device_flow(browser, contoso)
    page = browser.sign_in(browser.submit(browser.open("/device"), user_code=flow["user_code"]), operator)
    assert "Microsoft Graph Command Line Tools" in page.text and operator.name in page.text
    assert_refused(poll(browser, contoso, flow), 70016)


def test_a_device_code_is_good_once(contoso: Tenant, browser: Browser, operator: Person):
    flow = device_flow(browser, contoso)
    browser.connect(flow["user_code"], operator)
    assert poll(browser, contoso, flow).status_code == 200
    assert_refused(poll(browser, contoso, flow), 70020, 70000)


def test_a_user_code_is_good_once(contoso: Tenant, browser: Browser, operator: Person):
    flow = device_flow(browser, contoso)
    browser.connect(flow["user_code"], operator)
    page = browser.submit(browser.open("/device"), user_code=flow["user_code"])
    assert page.status == 400 and page.alert


def test_user_codes_as_people_type_them(contoso: Tenant, browser: Browser, operator: Person):
    code = device_flow(browser, contoso)["user_code"]
    page = browser.submit(browser.open("/device"), user_code=f" {code[:4].lower()}-{code[4:]} ")
    assert page.title == "Sign in"
    filled = browser.open(f"/device?user_code={code}")
    assert filled.forms[0].fields["user_code"] == code


@pytest.mark.parametrize("code", ["", "BCDFGHJK", "<b>", "ÄÖÜ", "B" * 5000])
def test_user_codes_that_nobody_was_shown(browser: Browser, code: str):
    page = browser.submit(browser.open("/device"), user_code=code)
    assert page.status == 400 and page.alert
    assert "<b>" not in page.response.text


async def test_a_device_code_needs_a_public_client(
    contoso: Tenant, browser: Browser, workload: Workload
):
    """Entra answers 7000218: a confidential client would have to authenticate for the token."""
    fields = {"client_id": workload.app_id, "scope": EVERYTHING}
    response = browser.http.post(f"/{contoso.id}/oauth2/v2.0/devicecode", data=fields)
    assert response.status_code >= 400


def test_a_device_code_of_an_unknown_client(contoso: Tenant, browser: Browser):
    fields = {"client_id": "00000000-0000-0000-0000-000000000001", "scope": EVERYTHING}
    assert_refused(browser.http.post(f"/{contoso.id}/oauth2/v2.0/devicecode", data=fields), 700016)


# Refresh tokens.


def test_msal_refreshes(server: Server, contoso: Tenant, browser: Browser, operator: Person):
    app = public(server, contoso)
    flow = app.initiate_device_flow([READ_RISK])
    browser.connect(flow["user_code"], operator)
    first = app.acquire_token_by_device_flow(flow)
    [account] = app.get_accounts()
    fresh = app.acquire_token_silent([READ_RISK], account, force_refresh=True)
    assert fresh["access_token"] != first["access_token"]
    logs = app.acquire_token_silent(["https://graph.microsoft.com/AuditLog.Read.All"], account)
    assert claims(logs["access_token"])["scp"] == "AuditLog.Read.All", "for other scopes as well"
    assert claims(logs["access_token"])["oid"] == operator.id


def test_msal_keeps_a_token(server: Server, contoso: Tenant, browser: Browser, operator: Person):
    """Entra's answer names scopes as they were asked for; without that every call of a script goes to the server."""
    app = public(server, contoso)
    flow = app.initiate_device_flow([READ_RISK])
    browser.connect(flow["user_code"], operator)
    first = app.acquire_token_by_device_flow(flow)
    [account] = app.get_accounts()
    assert app.acquire_token_silent([READ_RISK], account)["access_token"] == first["access_token"]


def test_the_older_endpoint_names_scopes_without_their_resource(contoso: Tenant, browser: Browser, operator: Person):
    request = Authorization(contoso)
    fields = {
        "grant_type": "authorization_code", "client_id": TOOLS, "code": request.code(browser, operator),
        "redirect_uri": REDIRECT, "code_verifier": request.verifier, "resource": "https://graph.microsoft.com",
    }
    answer = browser.http.post(f"/{contoso.id}/oauth2/token", data=fields).json()
    assert answer["resource"] == "https://graph.microsoft.com"
    assert answer["scope"].split() == claims(answer["access_token"])["scp"].split()


def test_a_refresh_token_is_good_once(contoso: Tenant, browser: Browser, operator: Person):
    token = Authorization(contoso).tokens(browser, operator)["refresh_token"]
    fields = {"scope": f"{EVERYTHING} offline_access"}
    response = refresh(browser.http, contoso, token, **fields)
    assert response.status_code == 200, response.text
    assert response.json()["refresh_token"] != token
    assert_refused(refresh(browser.http, contoso, token), 70008)


def test_a_refresh_token_used_twice_ends_those_that_came_of_it(contoso: Tenant, browser: Browser, operator: Person):
    """RFC 9700 section 4.14.2: one of the two users is a thief, and nobody knows which."""
    token = Authorization(contoso).tokens(browser, operator)["refresh_token"]
    stolen = refresh(browser.http, contoso, token).json()["refresh_token"]
    assert_refused(refresh(browser.http, contoso, token), 70008)
    assert refresh(browser.http, contoso, stolen).status_code == 400


def test_a_refresh_token_of_another_client_or_tenant(
    contoso: Tenant, fabrikam: Tenant, browser: Browser, operator: Person
):
    token = Authorization(contoso).tokens(browser, operator)["refresh_token"]
    assert_refused(refresh(browser.http, fabrikam, token), 70000)
    assert_refused(refresh(browser.http, contoso, token + "x"), 70008)
    assert refresh(browser.http, contoso, token).status_code == 200


def test_no_refresh_token_unless_asked_for(contoso: Tenant, browser: Browser, operator: Person):
    tokens = Authorization(contoso, scope=EVERYTHING).tokens(browser, operator)
    assert "refresh_token" not in tokens and "id_token" not in tokens


def test_a_refresh_token_without_a_scope(contoso: Tenant, browser: Browser, operator: Person):
    """RFC 6749 section 6: it is what was granted first."""
    request = Authorization(contoso, scope=f"{READ_RISK} offline_access")
    token = request.tokens(browser, operator)["refresh_token"]
    fields = {"grant_type": "refresh_token", "client_id": TOOLS, "refresh_token": token}
    response = browser.http.post(f"/{contoso.id}/oauth2/v2.0/token", data=fields)
    assert response.status_code == 200, response.text
    assert claims(response.json()["access_token"])["scp"] == "IdentityRiskyServicePrincipal.Read.All"


async def test_a_disabled_person(graph: GraphServiceClient, contoso: Tenant, browser: Browser, operator: Person):
    tokens = Authorization(contoso).tokens(browser, operator)
    assert me(browser, tokens["access_token"]).status_code == 200
    code = Authorization(contoso)
    waiting = code.code(browser, operator)
    await graph.users.by_user_id(operator.id).patch(User(account_enabled=False))
    assert me(browser, tokens["access_token"]).status_code == 401
    assert_refused(refresh(browser.http, contoso, tokens["refresh_token"]), 50173)
    assert_refused(code.exchange(browser.http, waiting), 50173)


async def test_a_deleted_person(graph: GraphServiceClient, contoso: Tenant, browser: Browser, operator: Person):
    tokens = Authorization(contoso).tokens(browser, operator)
    await graph.users.by_user_id(operator.id).delete()
    assert me(browser, tokens["access_token"]).status_code == 401
    assert_refused(refresh(browser.http, contoso, tokens["refresh_token"]), 50173)


@pytest.mark.parametrize("how", ["disabled", "deactivated", "deleted"])
async def test_a_token_of_a_client_that_is_gone(
    server: Server, graph: GraphServiceClient, contoso: Tenant, browser: Browser, operator: Person,
    bearer: dict[str, str], how: str,
):
    """Whoever stole the tokens of a script's people has nothing any more once the script itself is switched off."""
    client = await graphs.new_workload(
        graph, "script", is_fallback_public_client=True,
        public_client=PublicClientApplication(redirect_uris=[REDIRECT]),
    )
    resource = await graphs.graph_principal(graph)
    grant = {
        "clientId": client.service_principal_id, "consentType": "AllPrincipals", "resourceId": resource.id,
        "scope": "IdentityRiskyServicePrincipal.Read.All",
    }
    address = f"{server.authority}/v1.0"
    response = browser.http.post(f"{address}/oauth2PermissionGrants", json=grant, headers=bearer)
    assert response.status_code == 201, response.text
    tokens = Authorization(contoso, client_id=client.app_id).tokens(browser, operator)
    assert me(browser, tokens["access_token"]).status_code == 200
    if how == "disabled":
        path, change = f"/v1.0/servicePrincipals/{client.service_principal_id}", {"accountEnabled": False}
    elif how == "deactivated":
        path, change = f"/beta/applications/{client.object_id}", {"isDisabled": True}
    else:
        path, change = f"/v1.0/servicePrincipals/{client.service_principal_id}", None
    if change is None:
        response = browser.http.delete(path, headers=bearer)
    else:
        response = browser.http.patch(path, json=change, headers=bearer)
    assert response.status_code == 204, response.text
    refused = refresh(browser.http, contoso, tokens["refresh_token"], client_id=client.app_id)
    assert refused.status_code in (400, 401)
    assert me(browser, tokens["access_token"]).status_code == 401


# What people may do.


async def test_a_reader_reads(server: Server, contoso: Tenant, browser: Browser, reader: Person, risky: Workload):
    client = by_person(server, Authorization(contoso).tokens(browser, reader)["access_token"])
    assert (await client.me.get()).id == reader.id
    item = client.identity_protection.risky_service_principals.by_risky_service_principal_id(
        risky.service_principal_id
    )
    assert (await item.get()).display_name == risky.name
    with pytest.raises(ODataError) as error:
        await graphs.dismiss(client, risky.service_principal_id)
    assert error.value.response_status_code == 403


async def test_an_operator_decides(
    server: Server, graph: GraphServiceClient, contoso: Tenant, browser: Browser, operator: Person
):
    workload = await graphs.new_workload(graph, "dismissed")
    await graphs.confirm(graph, workload.service_principal_id)
    client = by_person(server, Authorization(contoso).tokens(browser, operator)["access_token"])
    await graphs.dismiss(client, workload.service_principal_id)

    async def look() -> list:
        return await listed(
            graph.audit_logs.directory_audits,
            filter=f"initiatedBy/user/id eq '{operator.id}'",
        )

    [record] = await graphs.eventually(look)
    assert record.activity_display_name == "Dismiss service principal risk"
    assert record.initiated_by.app is None
    assert record.initiated_by.user.user_principal_name == operator.name
    assert record.initiated_by.user.ip_address == "127.0.0.1"
    history = client.identity_protection.risky_service_principals.by_risky_service_principal_id(
        workload.service_principal_id
    ).history
    assert operator.id in {item.initiated_by for item in (await history.get()).value}


async def test_a_token_does_what_its_scopes_say(
    server: Server, contoso: Tenant, browser: Browser, operator: Person, risky: Workload
):
    """The role would allow more than the script asked for."""
    token = Authorization(contoso, scope=READ_RISK).tokens(browser, operator)["access_token"]
    with pytest.raises(ODataError) as error:
        await graphs.dismiss(by_person(server, token), risky.service_principal_id)
    assert error.value.response_status_code == 403


async def test_without_a_role_only_oneself(
    server: Server, contoso: Tenant, browser: Browser, nobody: Person, risky: Workload
):
    client = by_person(server, Authorization(contoso).tokens(browser, nobody)["access_token"])
    assert (await client.me.get()).id == nobody.id
    with pytest.raises(ODataError) as error:
        await client.identity_protection.risky_service_principals.get()
    assert error.value.response_status_code == 403


async def test_a_role_that_is_taken_away_is_gone_at_once(
    server: Server, graph: GraphServiceClient, contoso: Tenant, browser: Browser, reader: Person
):
    client = by_person(server, Authorization(contoso).tokens(browser, reader)["access_token"])
    await client.identity_protection.risky_service_principals.get()
    assignment = graph.role_management.directory.role_assignments.by_unified_role_assignment_id(reader.assignments[0])
    await assignment.delete()
    with pytest.raises(ODataError) as error:
        await client.identity_protection.risky_service_principals.get()
    assert error.value.response_status_code == 403


async def test_scopes_in_other_letters(server: Server, contoso: Tenant, browser: Browser, reader: Person):
    """Entra's tokens name scopes as they are defined."""
    token = Authorization(contoso, scope=READ_RISK.lower()).tokens(browser, reader)["access_token"]
    assert claims(token)["scp"] == "IdentityRiskyServicePrincipal.Read.All"
    await by_person(server, token).identity_protection.risky_service_principals.get()


def test_scopes_that_nobody_consented_to(server: Server, contoso: Tenant, browser: Browser, operator: Person):
    app = public(server, contoso)
    flow = app.initiate_device_flow(["https://graph.microsoft.com/Mail.Send"])
    browser.connect(flow["user_code"], operator)
    result = app.acquire_token_by_device_flow(flow)
    assert result["error"] == "invalid_grant" and result["suberror"] == "consent_required"
    assert result["error_description"].startswith("AADSTS65001")


async def test_an_application_is_nobody(graph: GraphServiceClient):
    with pytest.raises(ODataError) as error:
        await graph.me.get()
    assert error.value.response_status_code == 400
    assert error.value.error.message == "/me request is only valid with delegated authentication flow."


# Records.


async def sign_ins(beta: GraphServiceClient, person: Person, kind: str, enough: int = 1) -> list[SignIn]:
    async def look() -> list[SignIn]:
        return await listed(
            beta.audit_logs.sign_ins,
            filter=f"signInEventTypes/any(t: t eq '{kind}') and userPrincipalName eq '{person.name}'",
        )

    return await graphs.eventually(look, lambda found: len(found) >= enough, 5)


async def test_records_of_people(beta: GraphServiceClient, contoso: Tenant, browser: Browser, operator: Person):
    tokens = Authorization(contoso).tokens(browser, operator)
    refreshed = refresh(browser.http, contoso, tokens["refresh_token"]).json()
    [record] = await sign_ins(beta, operator, "interactiveUser")
    assert (record.user_id, record.app_id, record.is_interactive) == (operator.id, TOOLS, True)
    assert record.status.error_code == 0
    assert record.ip_address == "127.0.0.1"
    assert record.additional_data["uniqueTokenIdentifier"] == claims(tokens["access_token"])["uti"]
    [record] = await sign_ins(beta, operator, "nonInteractiveUser")
    assert (record.user_id, record.is_interactive) == (operator.id, False)
    assert record.additional_data["uniqueTokenIdentifier"] == claims(refreshed["access_token"])["uti"]
    text = json.dumps([str(record.additional_data)])
    assert tokens["refresh_token"] not in text


async def test_refusals_of_people_are_no_sign_ins_of_a_service_principal(
    server: Server, beta: GraphServiceClient, contoso: Tenant, browser: Browser
):
    """Detections would take a device that waits for a workload that fails."""
    refused = [poll(browser, contoso, device_flow(browser, contoso)), refresh(browser.http, contoso, "of nobody")]
    expected = {response.json()["trace_id"] for response in refused}

    async def ids(kind: str) -> set[str | None]:
        own = f"signInEventTypes/any(t: t eq '{kind}') and appId eq '{TOOLS}'"
        return {record.id for record in await listed(beta.audit_logs.sign_ins, filter=own)}

    found = await graphs.eventually(lambda: ids("nonInteractiveUser"), lambda found: expected <= found, 5)
    assert expected <= found
    assert not await ids("servicePrincipal")


async def test_v1_has_the_interactive_ones(
    graph: GraphServiceClient, contoso: Tenant, browser: Browser, operator: Person
):
    tokens = Authorization(contoso).tokens(browser, operator)
    refresh(browser.http, contoso, tokens["refresh_token"])
    name = f"userPrincipalName eq '{operator.name}'"

    async def look() -> list:
        return await listed(graph.audit_logs.sign_ins, filter=name)

    [record] = await graphs.eventually(look)
    assert record.is_interactive is True


async def test_a_wrong_password_is_recorded(
    beta: GraphServiceClient, contoso: Tenant, browser: Browser, nobody: Person
):
    browser.submit(browser.open(Authorization(contoso).url), user=nobody.name, password="wrong")
    [record] = await sign_ins(beta, nobody, "interactiveUser")
    assert record.status.error_code == 50126


# Pages.


def assert_strict(page: Page) -> None:
    headers = page.response.headers
    assert page.policy["default-src"] == ["'none'"]
    assert page.policy["frame-ancestors"] == ["'none'"]
    assert page.policy["base-uri"] == ["'none'"]
    assert page.policy["form-action"][0] == "'self'"
    assert all(source.startswith("'sha256-") for source in page.policy["style-src"])
    assert "script-src" not in page.policy
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["content-type"] == "text/html; charset=utf-8"
    for tag, own in page.tags:
        assert tag not in ("script", "iframe", "img", "link", "object", "embed"), tag
        assert not [name for name in own if name.startswith("on") or name == "style"], own
        assert not (own.get("src") or own.get("href") or "").startswith("http"), own


def assert_usable(page: Page) -> None:
    """Readable by a machine that reads aloud."""
    tags = [tag for tag, _ in page.tags]
    [html] = [own for tag, own in page.tags if tag == "html"]
    assert html["lang"] == "en" and "title" in tags and tags.count("h1") == 1 and tags.count("main") == 1
    ids = [own["id"] for _, own in page.tags if "id" in own]
    assert len(ids) == len(set(ids))
    for form in page.forms:
        for own in form.inputs:
            assert own.get("type") == "hidden" or own["id"] in page.labels, own
        assert form.buttons, "sent with the keyboard alone"
    assert sum("autofocus" in own for _, own in page.tags) <= 1


def test_every_page_is_strict_and_usable(server: Server, contoso: Tenant, browser: Browser, nobody: Person):
    secret = give_authenticator(server, contoso, nobody)
    flow = device_flow(browser, contoso)
    pages = [browser.open(Authorization(contoso).url), browser.open("/device")]
    pages.append(browser.submit(pages[0], user=nobody.name, password="wrong"))
    pages.append(browser.submit(pages[1], user_code="BCDFGHJK"))
    pages.append(browser.submit(pages[1], user_code=flow["user_code"]))
    pages.append(browser.sign_in(pages[-1], nobody))
    pages.append(browser.submit(pages[-1], code="000000"))
    pages.append(browser.submit(pages[-1], code=totp(secret)))
    pages.append(browser.submit(pages[-1], answer="yes"))
    assert [page.title for page in pages[-5:]] == [
        "Sign in", "Enter your code", "Enter your code", "Connect the device?", "The device is connected",
    ]
    for page in pages:
        assert_strict(page)
        assert_usable(page)
        assert "set-cookie" not in page.response.headers


def test_errors_are_said_aloud(contoso: Tenant, browser: Browser, nobody: Person):
    page = browser.submit(browser.open(Authorization(contoso).url), user=nobody.name, password="wrong")
    assert [own for _, own in page.tags if own.get("role") == "alert"]


def test_what_people_use_to_fill_forms_in_knows_the_fields(contoso: Tenant, browser: Browser):
    fields = {own["name"]: own for own in browser.open(Authorization(contoso).url).forms[0].inputs}
    assert fields["user"]["autocomplete"] == "username"
    assert (fields["password"]["autocomplete"], fields["password"]["type"]) == ("current-password", "password")


# A server with one tenant.


@pytest.mark.parametrize("name", ["common", "organizations"])
def test_scripts_that_name_no_tenant(database: str, name: str):
    """As Microsoft's scripts sign in unless told otherwise; with one tenant there is no doubt which is meant."""
    with own_server(database, second=False) as server:
        server.start()
        admin = Person("", server.contoso.user_principal_name, server.contoso.password)
        app = public(server, name)
        flow = app.initiate_device_flow([READ_RISK])
        with Browser(server) as browser:
            assert browser.connect(flow["user_code"], admin).title == "The device is connected"
        result = app.acquire_token_by_device_flow(flow, exit_condition=lambda _: True)
        assert claims(result["access_token"])["tid"] == server.contoso.id, result
