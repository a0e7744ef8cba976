"""What `analyze --into` does not do yet: goes to test_load.py, without its mark."""

import pytest

from test_load import Loaded, instant, loaded  # noqa: F401


@pytest.mark.xfail(strict=True, reason="levels and states are worked out again, without what ended the risk")
async def test_what_the_logs_show_as_remediated_is_no_risk(loaded: Loaded):  # noqa: F811
    """One identity of the simulation lost its stolen credential: the analysis says so, the server says `high`."""
    remediated = {id: one for id, one in loaded.analysis.risky.items() if one["riskState"] == "remediated"}
    assert remediated
    found = await loaded.risky()
    for id, expected in remediated.items():
        assert (found[id]["riskState"], found[id]["riskLevel"]) == ("remediated", expected["riskLevel"])


@pytest.mark.xfail(strict=True, reason="it is when the newest finding ended, also where that changed nothing")
async def test_when_a_risk_changed(loaded: Loaded):  # noqa: F811
    found = await loaded.risky()
    for id, expected in loaded.analysis.open.items():
        changed = found[id]["riskLastUpdatedDateTime"]
        assert instant(changed) == instant(expected["riskLastUpdatedDateTime"]), id
