"""What plans do not hide yet: goes to test_plans.py, without its mark."""

import pytest

from support import graph as graphs
from test_plans import Setting, free, setting  # noqa: F401


@pytest.mark.xfail(strict=True, reason="the directory audit of a decision says the level before it")
async def test_free_tells_nothing_in_the_log(free: Setting):  # noqa: F811
    some = next(id for id, one in free.analysis.open.items() if one["riskLevel"] == "high")
    await graphs.dismiss(free.graph, some)
    [record] = await free.all(
        f"/auditLogs/directoryAudits?$filter=targetResources/any(t: t/id eq '{some}')"
    )
    assert "high" not in str(record["targetResources"])
