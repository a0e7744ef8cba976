"""What sign-in with another provider does not do yet: goes to test_external_sign_in.py, without its mark."""

import pytest

from support.people import Browser
from test_external_sign_in import Setting, browser, return_as, setting  # noqa: F401


@pytest.mark.xfail(strict=True, reason="`form-action` names the client, and not the provider in between")
def test_browsers_may_follow_the_button(setting: Setting, browser: Browser):  # noqa: F811
    """Chromium holds the redirects of a form to `form-action`: it would not go to the provider."""
    page = browser.open(setting.request.url)
    assert setting.provider.url in page.policy["form-action"]


