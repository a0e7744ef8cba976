"""`countersign policy`: policies on the command line, for whoever runs the server.

The command line that these tests agree with:

    countersign policy list    --data DIR [--tenant T] [--json]
    countersign policy create  --data DIR [--tenant T] [--json] --file FILE
    countersign policy create  --data DIR [--tenant T] [--json] --name NAME [--state report-only|enabled|disabled]
                               [--include PRINCIPAL|all]… [--exclude PRINCIPAL]…
                               [--include-filter RULE | --exclude-filter RULE]
                               [--scope multi-tenant|managed-identity]…
                               [--resource APPID|all]… [--exclude-resource APPID]… [--risk low,medium,high]
                               [--location LOCATION|all|all-trusted]… [--exclude-location LOCATION|all-trusted]…
    countersign policy enable | disable | delete --data DIR [--tenant T] [--json] ID
    countersign policy what-if --data DIR [--tenant T] [--json] --principal PRINCIPAL [--resource APPID]
                               [--ip ADDRESS] [--country CODE] [--risk LEVEL] [--applied-only]

`--tenant` is an id or a domain, and may be left out where there is one tenant, as elsewhere. A PRINCIPAL is named by
the object id of its service principal or by its appId, a LOCATION by its id or its name. A policy is report-only unless
it is told otherwise, and about all resources. FILE holds a policy as Graph's API takes it; `-` is standard input.
`what-if` asks about Microsoft Graph unless told otherwise; its last line says `blocked by NAME, …` or `allowed`, and its
status is 0 in both cases. A policy about everybody that is in force is warned of on standard error, with the way back.
`--json` prints what Graph's API answers: an array of policies, the policy (for `delete` as it was), and for `what-if` an object with `decision` (`block`, `allow`) and `policies`. What cannot be done is one line on standard error
that begins with `error: `, and status 2. A server that runs knows of a new policy within five seconds.
"""

import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support import graph as graphs
from support.access import (
    ELSEWHERE, EVERYBODY, LOCATIONS, OFFICE, POLICIES, REPORT_ONLY, Setting, ip_location, own_setting, policy,
)
from support.graph import GRAPH_APP_ID, Workload
from support.server import START_SECONDS


@pytest.fixture(scope="module")
async def setting(database: str) -> AsyncIterator[Setting]:
    async with own_setting(database) as setting:
        yield setting


@pytest.fixture
async def workload(setting: Setting) -> Workload:
    return await setting.workload("payroll")


UNKNOWN = "11111111-1111-4111-8111-111111111111"


def run(setting: Setting, *words: str, tenant: str | None = None) -> subprocess.CompletedProcess:
    return setting.server.run("policy", *words, "--tenant", tenant or setting.tenant.id)


def printed(setting: Setting, *words: str) -> str:
    done = run(setting, *words)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def document(setting: Setting, *words: str) -> object:
    return json.loads(printed(setting, *words, "--json"))


def assert_mistake(done: subprocess.CompletedProcess, *parts: str) -> None:
    assert done.returncode == 2, done
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert line.startswith("error: ") and "panicked" not in line
    for part in parts:
        assert part in line


async def shown(setting: Setting, id: str) -> dict:
    response = await setting.http.get(f"{POLICIES}/{id}")
    assert response.status_code == 200, response.text
    return response.json()


# create


async def test_a_new_policy_only_reports(setting: Setting, workload: Workload):
    """Unless it is told otherwise: nobody is locked out by a first try."""
    name = graphs.unique("cli")
    made = document(
        setting, "create", "--name", name, "--include", workload.service_principal_id, "--risk", "medium,high"
    )
    assert (made["displayName"], made["state"]) == (name, REPORT_ONLY)
    found = await shown(setting, made["id"])
    conditions = found["conditions"]
    assert conditions["clientApplications"]["includeServicePrincipals"] == [workload.service_principal_id]
    assert conditions["servicePrincipalRiskLevels"] == ["medium", "high"]
    assert conditions["applications"]["includeApplications"] == ["All"]
    assert conditions["locations"] is None
    assert found["grantControls"]["builtInControls"] == ["block"]
    assert made == {name: value for name, value in found.items() if not name.startswith("@odata")}


async def test_every_condition(setting: Setting, workload: Workload):
    other = await setting.workload("other")
    office = await setting.create(ip_location("198.51.100.0/24", name=graphs.unique("office")), LOCATIONS)
    rule = 'CustomSecurityAttribute.Ops.Zone -eq "lab"'
    made = document(
        setting, "create", "--name", graphs.unique("cli"), "--state", "disabled", "--include", "all",
        "--exclude", workload.service_principal_id, "--exclude", other.app_id, "--exclude-filter", rule,
        "--scope", "multi-tenant", "--scope", "managed-identity", "--resource", "all",
        "--exclude-resource", other.app_id, "--risk", "high", "--location", "all", "--exclude-location", "all-trusted",
        "--exclude-location", office["displayName"],
    )
    conditions = (await shown(setting, made["id"]))["conditions"]
    clients = conditions["clientApplications"]
    assert clients["includeServicePrincipals"] == [EVERYBODY]
    assert clients["excludeServicePrincipals"] == [workload.service_principal_id, other.service_principal_id], (
        "by appId as well"
    )
    assert clients["servicePrincipalFilter"] == {"mode": "exclude", "rule": rule}
    assert sorted(clients["countersignScope"]) == ["managedIdentities", "multiTenantApplications"]
    assert conditions["applications"]["excludeApplications"] == [other.app_id]
    assert conditions["servicePrincipalRiskLevels"] == ["high"]
    assert conditions["locations"] == {"includeLocations": ["All"], "excludeLocations": ["AllTrusted", office["id"]]}


async def test_a_file(setting: Setting, workload: Workload, tmp_path: Path):
    """As Graph's API takes it: what was read there can be made here."""
    given = policy(workload.service_principal_id, state="disabled", risk=["low"])
    file = tmp_path / "policy.json"
    file.write_text(json.dumps(given))
    made = document(setting, "create", "--file", str(file))
    found = await shown(setting, made["id"])
    assert (found["displayName"], found["state"]) == (given["displayName"], "disabled")
    assert found["conditions"]["servicePrincipalRiskLevels"] == ["low"]
    # What is printed is good for a file again.
    file.write_text(json.dumps(made))
    again = document(setting, "create", "--file", str(file))
    assert again["id"] != made["id"] and again["conditions"] == made["conditions"]


async def test_standard_input(setting: Setting, workload: Workload):
    given = policy(workload.service_principal_id, state="disabled")
    done = subprocess.run(
        setting.server.arguments("policy", "create", "--file", "-", "--json", "--tenant", setting.tenant.id),
        input=json.dumps(given), capture_output=True, text=True, timeout=START_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["displayName"] == given["displayName"]


async def test_the_running_server_enforces_it(setting: Setting, workload: Workload):
    assert (await setting.ask(workload)).status_code == 200
    made = document(
        setting, "create", "--name", graphs.unique("cli"), "--state", "enabled", "--include",
        workload.service_principal_id,
    )

    async def refused() -> bool:
        return (await setting.ask(workload)).status_code == 400

    assert await graphs.eventually(refused, seconds=6)
    response = await setting.ask(workload)
    assert response.json()["error_codes"] == [53003] and made["id"] in response.json()["claims"]


async def test_it_is_recorded(setting: Setting, workload: Workload):
    made = document(setting, "create", "--name", graphs.unique("cli"), "--include", workload.service_principal_id)
    [record] = await setting.audits(made["id"], "Add conditional access policy")
    assert (record["loggedByService"], record["category"]) == ("Conditional Access", "Policy")
    assert record["initiatedBy"]["app"]["displayName"] == "countersign policy create"


async def test_what_is_said_of_it(setting: Setting, workload: Workload):
    name = graphs.unique("cli")
    text = printed(setting, "create", "--name", name, "--include", workload.service_principal_id)
    [found] = [one for one in document(setting, "list") if one["displayName"] == name]
    assert found["id"] in text and name in text
    assert "report" in text, "that it only reports"


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["--include", "ID"], ["--name"]),
        (["--name", "x"], ["--include"]),
        (["--name", "x", "--include", UNKNOWN], [UNKNOWN]),
        (["--name", "x", "--include", "nobody"], ["nobody"]),
        (["--name", "x", "--include", "ID", "--location", "nowhere"], ["nowhere"]),
        (["--name", "x", "--include", "ID", "--exclude-location", "all-trusted"], ["--location"]),
        (["--name", "x", "--include", "ID", "--risk", "extreme"], ["extreme"]),
        (["--name", "x", "--include", "ID", "--state", "sometimes"], ["sometimes"]),
        (["--name", "x", "--include", "ID", "--resource", "Graph"], ["Graph"]),
        (["--name", "x", "--include", "ID", "--exclude-filter", "Zone is lab"], ["Zone is lab"]),
        (["--file", "none.json"], ["none.json"]),
        (["--file", "none.json", "--name", "x"], ["--name"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
async def test_mistakes(setting: Setting, workload: Workload, words: list[str], parts: list[str]):
    """A wrong word of the command line may be explained in several lines; it ends with 2 and makes nothing."""
    before = document(setting, "list")
    done = run(setting, "create", *(workload.service_principal_id if word == "ID" else word for word in words))
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("error: ") and "panicked" not in done.stderr
    for part in parts:
        assert part in done.stderr
    assert document(setting, "list") == before


async def test_a_file_that_the_api_would_refuse(setting: Setting, workload: Workload, tmp_path: Path):
    file = tmp_path / "policy.json"
    bad = policy(workload.service_principal_id)
    bad["grantControls"]["builtInControls"] = ["mfa"]
    for text in [json.dumps(bad), "{", "[]"]:
        file.write_text(text)
        assert_mistake(run(setting, "create", "--file", str(file)), "policy.json")


async def test_whoever_may_lock_himself_out_is_told_the_way_back(setting: Setting):
    """The workload that administers the tenant is one of all."""
    done = run(setting, "create", "--name", graphs.unique("cli"), "--state", "enabled", "--include", "all",
               "--risk", "high", "--resource", UNKNOWN, "--json")
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    [line] = done.stderr.splitlines()
    assert line.startswith("warning: ") and f"countersign policy disable {made['id']}" in line
    assert document(setting, "disable", made["id"])["state"] == "disabled"
    assert "countersign policy disable" in run(setting, "enable", made["id"]).stderr
    printed(setting, "delete", made["id"])


# enable, disable, delete


async def test_into_force_and_out_of_it(setting: Setting, workload: Workload):
    made = await setting.create(policy(workload.service_principal_id, state=REPORT_ONLY))
    text = printed(setting, "enable", made["id"])
    assert made["id"] in text and made["displayName"] in text and "enabled" in text

    async def status() -> int:
        return (await setting.ask(workload)).status_code

    assert await graphs.eventually(status, lambda status: status == 400, seconds=6) == 400
    assert document(setting, "disable", made["id"].upper()) == {
        name: value for name, value in (await shown(setting, made["id"])).items() if not name.startswith("@odata")
    }
    assert (await shown(setting, made["id"]))["state"] == "disabled"
    assert await graphs.eventually(status, lambda status: status == 200, seconds=6) == 200
    records = await setting.audits(made["id"], "Update conditional access policy")
    by = [record["initiatedBy"]["app"]["displayName"] for record in records]
    assert by == ["countersign policy enable", "countersign policy disable"]


async def test_deleted_on_the_command_line(setting: Setting, workload: Workload):
    made = await setting.create(policy(workload.service_principal_id, state="disabled"))
    assert document(setting, "delete", made["id"])["displayName"] == made["displayName"]
    assert (await setting.http.get(f"{POLICIES}/{made['id']}")).status_code == 404
    path = f"/v1.0/identity/conditionalAccess/deletedItems/policies/{made['id']}"
    assert (await setting.http.get(path)).status_code == 200
    made = await setting.create(policy(workload.service_principal_id, state="disabled"))
    assert made["displayName"] in printed(setting, "delete", made["id"])


@pytest.mark.parametrize("command", ["enable", "disable", "delete"])
def test_a_policy_that_is_not_there(setting: Setting, command: str):
    assert_mistake(run(setting, command, UNKNOWN), UNKNOWN)
    assert_mistake(run(setting, command, "Block high risk"), "Block high risk")


# list


async def test_the_list(setting: Setting, workload: Workload):
    made = [
        await setting.create(policy(workload.service_principal_id, state=state))
        for state in ["disabled", REPORT_ONLY]
    ]
    found = {one["id"]: one for one in document(setting, "list")}
    for one in made:
        assert found[one["id"]]["conditions"] == one["conditions"]
    text = printed(setting, "list")
    for one, state in zip(made, ["disabled", "report-only"], strict=True):
        [line] = [line for line in text.splitlines() if one["id"] in line]
        assert one["displayName"] in line and state in line


async def test_the_list_of_another_tenant_is_another(setting: Setting, workload: Workload):
    made = await setting.create(policy(workload.service_principal_id, state="disabled"))
    done = run(setting, "list", "--json", tenant=setting.server.fabrikam.domain)
    assert made["id"] not in done.stdout and isinstance(json.loads(done.stdout), list)


def test_which_tenant(setting: Setting):
    """There are two, so it must be said."""
    done = setting.server.run("policy", "list")
    assert done.returncode == 2 and "--tenant" in done.stderr
    assert_mistake(run(setting, "list", tenant="nowhere.example"), "nowhere.example")


async def test_a_name_that_would_steer_the_terminal(setting: Setting, workload: Workload):
    await setting.create(policy(workload.service_principal_id, state="disabled", name="red \x1b[31m\u202e alert"))
    text = printed(setting, "list")
    assert "\x1b" not in text and "\u202e" not in text and "alert" in text


# what-if


async def test_what_if(setting: Setting, workload: Workload):
    office = await setting.create(ip_location("198.51.100.0/24"), LOCATIONS)
    made = await setting.create(
        policy(workload.service_principal_id, locations=["All"], exclude_locations=[office["id"]])
    )
    who = ["what-if", "--principal", workload.service_principal_id]
    inside, outside = [document(setting, *who, "--ip", address) for address in [OFFICE, ELSEWHERE]]
    assert (inside["decision"], outside["decision"]) == ("allow", "block")
    [one] = [one for one in inside["policies"] if one["id"] == made["id"]]
    assert (one["policyApplies"], one["analysisReasons"]) == (False, "location")
    [one] = [one for one in outside["policies"] if one["id"] == made["id"]]
    assert (one["policyApplies"], one["analysisReasons"]) == (True, "notSet")
    assert printed(setting, *who, "--ip", ELSEWHERE).splitlines()[-1] == f"blocked by {made['displayName']}"
    text = printed(setting, *who, "--ip", OFFICE)
    assert text.splitlines()[-1] == "allowed"
    [line] = [line for line in text.splitlines() if made["displayName"] in line]
    assert "location" in line, "why it does not apply"


async def test_why_in_words(setting: Setting, workload: Workload):
    """Graph has one reason for three of them, which `--json` prints as it is."""
    other = await setting.workload("other")
    everybody = await setting.workload("everybody", sign_in_audience="AzureADMultipleOrgs")
    office = await setting.create(ip_location("198.51.100.0/24"), LOCATIONS)
    who = ["what-if", "--principal", workload.service_principal_id]

    async def why(*words: str, state: str = REPORT_ONLY, principal: Workload = workload, **conditions) -> str:
        made = await setting.create(policy(principal.service_principal_id, state=state, **conditions))
        lines = [line for line in printed(setting, *words).splitlines() if made["displayName"] in line]
        await setting.delete(made["id"])
        [line] = lines
        return line

    assert "not included" in await why(*who, principal=other)
    of_everybody = ["what-if", "--principal", everybody.service_principal_id]
    assert "out of its scope" in await why(*of_everybody, principal=everybody)
    assert "another risk" in await why(*who, "--risk", "low", risk=["high"])
    assert "depends on the risk" in await why(*who, risk=["high"])
    assert "another resource" in await why(*who, resources=[other.app_id])
    assert "another location" in await why(*who, "--ip", ELSEWHERE, locations=[office["id"]])
    assert "depends on the location" in await why(*who, locations=[office["id"]])
    assert "it is disabled" in await why(*who, state="disabled")
    assert "all conditions are met" in await why(*who)
    line = await why(*who, "--risk", "low", "--ip", ELSEWHERE, risk=["high"], locations=[office["id"]])
    assert "another risk; " in line and "another location" in line


async def test_what_a_report_would_do(setting: Setting, workload: Workload):
    made = await setting.create(policy(workload.service_principal_id, state=REPORT_ONLY, risk=["high"]))
    words = ["what-if", "--principal", workload.app_id, "--risk", "high", "--applied-only"]
    found = document(setting, *words)
    assert found["decision"] == "allow"
    assert [one["id"] for one in found["policies"]] == [made["id"]]
    text = printed(setting, *words)
    assert made["displayName"] in text and "report-only" in text
    assert text.splitlines()[-1] == "allowed"


async def test_another_resource_and_country(setting: Setting, workload: Workload):
    other = await setting.workload("api")
    await setting.create(policy(workload.service_principal_id, resources=[GRAPH_APP_ID]))
    who = ["what-if", "--principal", workload.service_principal_id, "--country", "NO"]
    assert document(setting, *who)["decision"] == "block"
    assert document(setting, *who, "--resource", GRAPH_APP_ID)["decision"] == "block"
    assert document(setting, *who, "--resource", other.app_id)["decision"] == "allow"


async def test_it_says_what_the_api_says(setting: Setting, workload: Workload):
    for conditions in [{"risk": ["high"]}, {"locations": ["All"]}, {"state": "disabled"}, {"state": REPORT_ONLY}]:
        await setting.create(policy(workload.service_principal_id, **conditions))
    found = document(setting, "what-if", "--principal", workload.service_principal_id, "--ip", OFFICE, "--risk", "low")
    response = await setting.http.post(
        "/v1.0/identity/conditionalAccess/evaluate",
        json={
            "signInIdentity": {
                "@odata.type": "#microsoft.graph.servicePrincipalSignIn",
                "servicePrincipalId": workload.service_principal_id,
            },
            "signInContext": {
                "@odata.type": "#microsoft.graph.applicationContext", "includeApplications": [GRAPH_APP_ID],
            },
            "signInConditions": {"ipAddress": OFFICE, "servicePrincipalRiskLevel": "low"},
            "appliedPoliciesOnly": False,
        },
    )

    def verdicts(results: list[dict]) -> dict[str, tuple]:
        return {one["id"]: (one["policyApplies"], one["analysisReasons"]) for one in results}

    assert verdicts(found["policies"]) == verdicts(response.json()["value"])


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ([], "--principal"),
        (["--principal", UNKNOWN], UNKNOWN),
        (["--principal", "ID", "--ip", "198.51.100"], "198.51.100"),
        (["--principal", "ID", "--country", "Norway"], "Norway"),
        (["--principal", "ID", "--risk", "extreme"], "extreme"),
        (["--principal", "ID", "--resource", "Graph"], "Graph"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
async def test_questions_without_an_answer(setting: Setting, workload: Workload, words: list[str], part: str):
    done = run(setting, "what-if", *(workload.service_principal_id if word == "ID" else word for word in words))
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("error: ") and part in done.stderr and "panicked" not in done.stderr


# Help.


@pytest.mark.parametrize(
    "words", [["policy"], *(["policy", name] for name in ["list", "create", "enable", "disable", "delete", "what-if"])],
    ids=" ".join,
)
def test_the_help_shows_how(setting: Setting, words: list[str]):
    done = setting.server.run(*words, "--help")
    assert done.returncode == 0
    assert "countersign policy" in done.stdout, "with an example"
    if words[-1] == "create":
        assert "report-only" in done.stdout and "--exclude-location" in done.stdout
