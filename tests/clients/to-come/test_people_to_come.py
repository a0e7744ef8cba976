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
