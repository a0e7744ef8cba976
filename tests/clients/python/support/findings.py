"""Logs of a simulated tenant with attacks in it, and what an analysis finds in them."""

import functools
import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from support.server import START_SECONDS, binary

# Few identities and many attacks: half a second to make, one to analyse.
SIMULATION = ["--principals", "12", "--days", "40", "--seed", "5", "--attacks", "0.4", "--layout", "single"]


@dataclass(frozen=True)
class Analysis:
    logs: Path
    tenant_id: str
    risky: dict[str, dict]
    detections: dict[str, dict]

    @property
    def open(self) -> dict[str, dict]:
        """Without those whose credential was taken from the attacker in the logs already."""
        return {id: one for id, one in self.risky.items() if one["riskState"] == "atRisk"}


@functools.cache
def _folder() -> tempfile.TemporaryDirectory:
    """Kept until the process ends."""
    return tempfile.TemporaryDirectory(prefix="countersign-logs-")


@functools.cache
def analysis() -> Analysis:
    """The same for all tests: a seed gives the same bytes, and an analysis the same findings."""
    folder = Path(_folder().name)
    logs, detections = folder / "logs", folder / "detections.ndjson"

    def run(*words: str) -> str:
        return subprocess.run(
            [binary(), *words], capture_output=True, text=True, timeout=START_SECONDS, check=True,
        ).stdout

    run("simulate", "--out", str(logs), *SIMULATION)
    found = json.loads(run("analyze", str(logs), "--json", "--detections", str(detections)))
    with (logs / "ServicePrincipalSignInLogs.json").open() as lines:
        tenant_id = json.loads(next(lines))["tenantId"]
    documents = [json.loads(line) for line in detections.read_text().splitlines()]
    assert documents and found["riskyServicePrincipals"]
    return Analysis(
        logs, tenant_id,
        {risky["id"]: risky for risky in found["riskyServicePrincipals"]},
        {detection["id"]: detection for detection in documents},
    )
