"""Each rule of the evaluation, asked of What If: the table of the crate that evaluates, whose own tests read it too."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support import graph as graphs
from support.access import EVALUATE, LOCATIONS, Setting, opened, own_setting

ROOT = next(folder for folder in Path(__file__).resolve().parents if (folder / "Cargo.toml").exists())
TABLE = json.loads((ROOT / "crates/access/tests/evaluation_semantics.json").read_text())
# The rest is for the core alone, since no client can bring it about: applications of Microsoft, an unreadable risk.
ROWS = [row for row in TABLE["rows"] if row.get("only") != "core"]


@dataclass(frozen=True)
class Prepared:
    """The principals, resources and locations of the table in a tenant, under the ids that they got there."""

    setting: Setting
    ids: dict[str, str]

    def here(self, value: object) -> object:
        """The same value with ids of this tenant."""
        text = json.dumps(value)
        for theirs, ours in self.ids.items():
            text = text.replace(theirs, ours)
        return json.loads(text)


@pytest.fixture(scope="module")
async def prepared(database: str) -> AsyncIterator[Prepared]:
    async with own_setting(database) as setting:
        ids = {}
        for name, principal in TABLE["principals"].items():
            if name != "microsoft":
                ids[principal["id"]] = await new_principal(setting, name, principal)
        api = await graphs.new_application(setting.graph, "api", sign_in_audience="AzureADMyOrg")
        await graphs.new_service_principal(setting.graph, api)
        ids[TABLE["resources"]["api"]] = api.app_id
        for location in TABLE["locations"]:
            made = await setting.create({name: value for name, value in location.items() if name != "id"}, LOCATIONS)
            ids[location["id"]] = made["id"]
        yield Prepared(setting, ids)


async def new_principal(setting: Setting, name: str, principal: dict) -> str:
    """The id of a service principal like the one in the table."""
    if principal["servicePrincipalType"] == "ManagedIdentity":
        words = ["--tenant", setting.tenant.id, "--name", name, "--json"]
        return json.loads(setting.server.done("managed-identity", "create", *words))["servicePrincipalId"]
    is_ours = principal["appOwnerOrganizationId"] == TABLE["tenantId"]
    async with opened(setting.server, setting.tenant if is_ours else setting.server.fabrikam) as owner:
        application = await graphs.new_application(owner.graph, name, sign_in_audience=principal["signInAudience"])
    made = await graphs.new_service_principal(setting.graph, application)
    await assign(setting, made.id, principal["customSecurityAttributes"])
    return made.id


async def assign(setting: Setting, id: str, sets: dict[str, dict[str, object]]) -> None:
    """Custom security attributes, in the form that Graph wants."""
    document = {}
    for name, values in sets.items():
        document[name] = {"@odata.type": "#Microsoft.DirectoryServices.CustomSecurityAttributeValue"} | values
        for attribute, value in values.items():
            if isinstance(value, list):
                document[name][f"{attribute}@odata.type"] = "#Collection(String)"
    if document:
        response = await setting.http.patch(
            f"/v1.0/servicePrincipals/{id}", json={"customSecurityAttributes": document}
        )
        assert response.status_code == 204, response.text


def question(request: dict) -> dict:
    """The request as What If is asked it; what was not said is left out."""
    conditions = {name: request[name] for name in ["ipAddress", "country", "servicePrincipalRiskLevel"]}
    return {
        "signInIdentity": {
            "@odata.type": "#microsoft.graph.servicePrincipalSignIn",
            "servicePrincipalId": request["servicePrincipalId"],
        },
        "signInContext": {
            "@odata.type": "#microsoft.graph.applicationContext", "includeApplications": [request["resource"]],
        },
        "signInConditions": {name: value for name, value in conditions.items() if value is not None},
        "appliedPoliciesOnly": False,
    }


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['section'].strip('§')}: {row['name']}")
async def test_what_a_policy_makes_of_a_request(prepared: Prepared, row: dict):
    setting = prepared.setting
    made: dict[str, str] = {}
    try:
        for policy in row["policies"]:
            document = prepared.here({name: value for name, value in policy.items() if name != "id"})
            # The tests' own application must be able to undo it.
            document["conditions"]["clientApplications"]["excludeServicePrincipals"].append(
                setting.tenant.admin.service_principal_id
            )
            made[policy["id"]] = (await setting.create(document | {"displayName": row["name"]}))["id"]
        response = await setting.http.post(EVALUATE, json=prepared.here(question(row["request"])))
        assert response.status_code == 200, response.text
        found = {one["id"]: (one["policyApplies"], one["analysisReasons"]) for one in response.json()["value"]}
        assert found == {
            made[one["id"]]: (one["policyApplies"], one["analysisReasons"]) for one in row["expected"]["policies"]
        }
    finally:
        await asyncio.gather(*(setting.delete(id) for id in made.values()))


def test_the_table_agrees_with_itself():
    """What blocks is what applies and is enforced; the decision follows."""
    for row in TABLE["rows"]:
        expected = row["expected"]
        states = {policy["id"]: policy["state"] for policy in row["policies"]}
        assert [one["id"] for one in expected["policies"]] == list(states), row["name"]
        for one in expected["policies"]:
            prefix = "reportOnly" if states[one["id"]] == "enabledForReportingButNotEnforced" else ""
            outcome = "Failure" if one["policyApplies"] else "NotApplied"
            result = prefix + outcome if prefix else outcome[0].lower() + outcome[1:]
            assert one["result"] == ("notEnabled" if states[one["id"]] == "disabled" else result), row["name"]
            assert (one["analysisReasons"] == "notSet") == one["policyApplies"], row["name"]
        blocked = [one["id"] for one in expected["policies"] if one["result"] == "failure"]
        assert expected["blockedBy"] == blocked
        assert (expected["decision"], expected["conditionalAccessStatus"]) == (
            ("block", "failure") if blocked else ("allow", "notApplied")
        )
