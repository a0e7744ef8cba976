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


@pytest.mark.xfail(strict=True, reason="`scope` of the answer has names without their resource, which msal looks for")
def test_msal_keeps_a_token(server: Server, contoso: Tenant, browser: Browser, operator: Person):
    """Entra's answer names scopes as they were asked for; without that every call of a script goes to the server."""
    app = public(server, contoso)
    flow = app.initiate_device_flow([READ_RISK])
    browser.connect(flow["user_code"], operator)
    first = app.acquire_token_by_device_flow(flow)
    [account] = app.get_accounts()
    assert app.acquire_token_silent([READ_RISK], account)["access_token"] == first["access_token"]


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
