"""The two ends of a run of Schemathesis: a token to run with, and the verdict on its report."""

import json
import os
import sys
from pathlib import Path

import requests


def token() -> int:
    answer = requests.post(
        f"{os.environ['CLIENTS_AUTHORITY']}/{os.environ['CLIENTS_TENANT_ID']}/oauth2/v2.0/token",
        data={
            "grant_type": "client_credentials",
            "client_id": os.environ["CLIENTS_CLIENT_ID"],
            "client_secret": os.environ["CLIENTS_CLIENT_SECRET"],
            "scope": "https://graph.microsoft.com/.default",
        },
        verify=os.environ["CLIENTS_CA"], timeout=30,
    )
    answer.raise_for_status()
    print(answer.json()["access_token"])
    return 0


# Failures that decide: answers of 500 and above, and those of our own checks. All others only inform.
DECISIVE = ("ServerError", "CustomFailure")


def judge(report: Path, log: Path) -> int:
    if not report.exists():
        print(log.read_text(errors="replace"))
        print("error: Schemathesis wrote no report", file=sys.stderr)
        return 1
    document = json.loads(report.read_text())
    cases = document["test_cases"]
    fatal = False
    for failure in document["failures"]:
        decides = failure["type"].startswith(DECISIVE)
        fatal = fatal or decides
        shown = ", ".join(failure["operations"][:5])
        print(f"{'FAILED' if decides else 'noted '} {failure['title']}: {failure['count']}, as in {shown}")
    for error in document["errors"]:
        print(f"FAILED {error}")
    text = log.read_text(errors="replace")
    answers = next((line for line in text.splitlines() if line.startswith("Answers: ")), "Answers: none")
    fatal = fatal or bool(document["errors"])
    # A run in which hardly anything succeeds has tested how requests are refused, and nothing else.
    if cases["generated"] == 0 or " 201: " not in answers or " 204: " not in answers:
        print(f"FAILED to get past refusals: {answers}")
        fatal = True
    if fatal:
        print(text)
    print(
        f"{'FAILED' if fatal else 'PASSED'}: {cases['generated']} requests to"
        f" {document['operations']['tested']} operations in {document['running_time']:.0f} s, seed {document['seed']}."
        f" {answers}"
    )
    return int(fatal)


if __name__ == "__main__":
    sys.exit(token() if sys.argv[1] == "token" else judge(Path(sys.argv[2]), Path(sys.argv[3])))
