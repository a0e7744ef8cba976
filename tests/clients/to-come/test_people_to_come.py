"""What people's sign-ins do not do yet: goes to test_people.py, one by one, without its mark."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from msgraph import GraphServiceClient
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.password_profile import PasswordProfile
from msgraph.generated.models.user import User

from support import graph as graphs
from support.graph import Workload, listed
from support.people import (
    EVERYTHING, READ_RISK, TOOLS, Authorization, Browser, Person, TokenOnly, device_flow, give_authenticator, poll,
    public, refresh,
)
from support.refusals import assert_refused
from support.server import Server, Tenant
from support.tokens import claims


def by_person(server: Server, token: str, version: str = "v1.0") -> GraphServiceClient:
    return graphs.client(server, TokenOnly(token), version)


@pytest.mark.xfail(strict=True, reason="`prompt` is not read: the page is shown")
def test_no_page_where_the_client_wants_none(contoso: Tenant, browser: Browser):
    """OpenID Connect Core section 3.1.2.1: `prompt=none` is an error when the person must do something."""
    page = browser.open(Authorization(contoso, more={"prompt": "none"}).url)
    assert page.answer["error"] in ("login_required", "interaction_required")


@pytest.mark.xfail(strict=True, reason="tries at the same time are counted as one")
def test_one_sign_in_takes_five_tries_also_at_the_same_time(
    server: Server, contoso: Tenant, browser: Browser, nobody: Person
):
    """Six digits are guessed soon by whoever may try any number of them."""
    give_authenticator(server, contoso, nobody)
    page = browser.sign_in(browser.open(Authorization(contoso).url), nobody)
    with ThreadPoolExecutor(20) as pool:
        pages = list(pool.map(lambda _: browser.submit(page, code="000000"), range(20)))
    assert sum("That code is wrong" in page.alert for page in pages) <= 5


@pytest.mark.xfail(strict=True, reason="refresh tokens outlive the password")
async def test_a_new_password_ends_what_the_old_one_began(
    graph: GraphServiceClient, contoso: Tenant, browser: Browser, nobody: Person
):
    """As in Entra: whoever stole a refresh token loses it when the password is reset."""
    tokens = Authorization(contoso).tokens(browser, nobody)
    await graph.users.by_user_id(nobody.id).patch(
        User(password_profile=PasswordProfile(password="a new one, long enough"))
    )
    assert_refused(refresh(browser.http, contoso, tokens["refresh_token"]), 50173)


@pytest.mark.xfail(strict=True, reason="only POST checks the domain")
async def test_a_new_name_stays_in_the_domain_of_the_tenant(graph: GraphServiceClient, nobody: Person):
    with pytest.raises(ODataError) as error:
        await graph.users.by_user_id(nobody.id).patch(User(user_principal_name="somebody@elsewhere.example"))
    assert error.value.response_status_code == 400


@pytest.mark.xfail(strict=True, reason="any client gets codes, also one that must prove who it is")
async def test_a_device_code_needs_a_public_client(
    contoso: Tenant, browser: Browser, workload: Workload
):
    """Entra answers 7000218: a confidential client would have to authenticate for the token."""
    fields = {"client_id": workload.app_id, "scope": EVERYTHING}
    response = browser.http.post(f"/{contoso.id}/oauth2/v2.0/devicecode", data=fields)
    assert response.status_code >= 400


@pytest.mark.xfail(strict=True, reason="`scope` of the answer has names without their resource, which msal looks for")
def test_msal_keeps_a_token(server: Server, contoso: Tenant, browser: Browser, operator: Person):
    """Entra's answer names scopes as they were asked for; without that every call of a script goes to the server."""
    app = public(server, contoso)
    flow = app.initiate_device_flow([READ_RISK])
    browser.connect(flow["user_code"], operator)
    first = app.acquire_token_by_device_flow(flow)
    [account] = app.get_accounts()
    assert app.acquire_token_silent([READ_RISK], account)["access_token"] == first["access_token"]


@pytest.mark.xfail(strict=True, reason="the tokens that came of a stolen refresh token go on")
def test_a_refresh_token_used_twice_ends_those_that_came_of_it(contoso: Tenant, browser: Browser, operator: Person):
    """RFC 9700 section 4.14.2: one of the two users is a thief, and nobody knows which."""
    token = Authorization(contoso).tokens(browser, operator)["refresh_token"]
    stolen = refresh(browser.http, contoso, token).json()["refresh_token"]
    assert_refused(refresh(browser.http, contoso, token), 70008)
    assert refresh(browser.http, contoso, stolen).status_code == 400


@pytest.mark.xfail(strict=True, reason="the token says the scope as the client wrote it, and Graph compares letters")
async def test_scopes_in_other_letters(server: Server, contoso: Tenant, browser: Browser, reader: Person):
    """Entra's tokens name scopes as they are defined."""
    token = Authorization(contoso, scope=READ_RISK.lower()).tokens(browser, reader)["access_token"]
    assert claims(token)["scp"] == "IdentityRiskyServicePrincipal.Read.All"
    await by_person(server, token).identity_protection.risky_service_principals.get()


@pytest.mark.xfail(strict=True, reason="a refusal without a person is recorded as a service principal's")
async def test_refusals_of_people_are_no_sign_ins_of_a_service_principal(
    server: Server, beta: GraphServiceClient, contoso: Tenant, browser: Browser
):
    """Detections would take a device that waits for a workload that fails."""
    flow = device_flow(browser, contoso)
    poll(browser, contoso, flow)
    await graphs.eventually(lambda: listed(beta.audit_logs.sign_ins), seconds=1)
    found = await listed(
        beta.audit_logs.sign_ins,
        filter=f"signInEventTypes/any(t: t eq 'servicePrincipal') and appId eq '{TOOLS}'",
    )
    assert not [record.status.error_code for record in found]
