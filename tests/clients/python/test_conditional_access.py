"""Conditional Access for workload identities: policies at Graph, and what the token endpoint makes of them.

Sections are those of Microsoft's documents as the project collects them; our own choices stand in
docs/decisions/0011-conditional-access.md.
"""

import asyncio
import json
import os
import re
import uuid
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import httpx
import msal
import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ClientSecretCredential, ManagedIdentityCredential
from msgraph import GraphServiceClient
from msgraph.generated.models.application import Application
from msgraph.generated.models.conditional_access_applications import ConditionalAccessApplications
from msgraph.generated.models.conditional_access_client_applications import ConditionalAccessClientApplications
from msgraph.generated.models.conditional_access_condition_set import ConditionalAccessConditionSet
from msgraph.generated.models.conditional_access_grant_control import ConditionalAccessGrantControl
from msgraph.generated.models.conditional_access_grant_controls import ConditionalAccessGrantControls
from msgraph.generated.models.conditional_access_policy import ConditionalAccessPolicy
from msgraph.generated.models.conditional_access_policy_state import ConditionalAccessPolicyState
from msgraph.generated.models.federated_identity_credential import FederatedIdentityCredential
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.risk_level import RiskLevel
from msgraph.generated.models.service_principal import ServicePrincipal

from support import graph as graphs, people
from support.access import (
    ELSEWHERE, EVERYBODY, IN_RUSSIA, IN_THE_STATES, LOCATIONS, OFFICE, POLICIES, REPORT_ONLY, Setting, changed,
    country_location, from_address, ip_location, opened, own_setting, policy,
)
from support.graph import GRAPH_APP_ID, Workload, listed
from support.issuer import AUDIENCE, Issuer
from support.keys import ASSERTION_TYPE, Key
from support.people import Person, TokenOnly, new_person
from support.refusals import assert_complete
from support.server import GRAPH_SCOPE, free_port, own_server, sql
from support.tokens import form

TOKEN_VERSIONS = ["v1.0", "v2.0"]
KEPT_SECONDS = 6  # a server believes a tenant's plan for five


@pytest.fixture(scope="module")
async def setting(database: str) -> AsyncIterator[Setting]:
    async with own_setting(database) as setting:
        yield setting


@pytest.fixture
async def workload(setting: Setting) -> Workload:
    return await setting.workload("payroll")


def blocked(response: httpx.Response, *policies: str) -> dict:
    """The answer of §8, blocked by exactly these policies."""
    assert response.status_code == 400, response.text
    document = response.json()
    assert document["error"] == "invalid_grant"
    assert document["error_codes"] == [53003]
    assert_complete(document, 53003)
    assert document["error_description"].startswith(
        "AADSTS53003: Access has been blocked by Conditional Access policies. "
        "The access policy does not allow token issuance."
    )
    assert document["suberror"] == "message_only"
    wanted = json.loads(document["claims"])["access_token"]["capolids"]
    assert wanted["essential"] is True
    assert sorted(wanted["values"]) == sorted(policies)
    assert "access_token" not in document
    assert "retry-after" not in response.headers, "clients would repeat the request"
    return document


def allowed(response: httpx.Response) -> str:
    assert response.status_code == 200, response.text
    return response.json()["access_token"]


# Policies at Graph (§1, §2).


async def test_a_policy_from_its_first_to_its_last_moment(setting: Setting, workload: Workload):
    """With the models of Microsoft's client."""
    policies = setting.graph.identity.conditional_access.policies
    made = await policies.post(
        ConditionalAccessPolicy(
            display_name="Block risky payroll",
            state=ConditionalAccessPolicyState.EnabledForReportingButNotEnforced,
            conditions=ConditionalAccessConditionSet(
                applications=ConditionalAccessApplications(include_applications=["All"]),
                client_applications=ConditionalAccessClientApplications(
                    include_service_principals=[workload.service_principal_id]
                ),
                service_principal_risk_levels=[RiskLevel.High, RiskLevel.Medium],
            ),
            grant_controls=ConditionalAccessGrantControls(
                operator="OR", built_in_controls=[ConditionalAccessGrantControl.Block]
            ),
        )
    )
    item = policies.by_conditional_access_policy_id(made.id)
    found = await item.get()
    assert found.display_name == "Block risky payroll"
    assert found.state == ConditionalAccessPolicyState.EnabledForReportingButNotEnforced
    assert found.conditions.client_applications.include_service_principals == [workload.service_principal_id]
    assert found.conditions.service_principal_risk_levels == [RiskLevel.High, RiskLevel.Medium]
    assert found.grant_controls.built_in_controls == [ConditionalAccessGrantControl.Block]
    assert found.created_date_time and found.modified_date_time is None

    await item.patch(ConditionalAccessPolicy(state=ConditionalAccessPolicyState.Disabled))
    found = await item.get()
    assert found.state == ConditionalAccessPolicyState.Disabled
    assert found.modified_date_time >= found.created_date_time
    assert found.conditions.service_principal_risk_levels == [RiskLevel.High, RiskLevel.Medium], "what was not named"

    await item.delete()
    with pytest.raises(ODataError) as error:
        await item.get()
    assert error.value.response_status_code == 404
    assert made.id not in {one.id for one in await listed(policies)}


async def test_what_was_not_set_is_shown_as_graph_shows_it(setting: Setting, workload: Workload):
    """Members of §2's answer: collections that were left out are empty, complex members are null."""
    location = await setting.create(ip_location("192.0.2.0/24"), LOCATIONS)
    document = policy(
        EVERYBODY, state=REPORT_ONLY, exclude=[workload.service_principal_id], risk=["high", "medium"],
        locations=["All"], exclude_locations=[location["id"]],
        filter=("exclude", 'CustomSecurityAttribute.Ops.Zone -eq "lab"'),
    )
    document["conditions"]["applications"] = {"includeApplications": ["All"]}
    response = await setting.http.post(POLICIES, json=document)
    assert response.status_code == 201, response.text
    made = response.json()
    assert response.headers["location"].endswith(made["id"])
    assert str(uuid.UUID(made["id"])) == made["id"]
    assert made["@odata.context"].endswith("/v1.0/$metadata#identity/conditionalAccess/policies/$entity")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?Z", made["createdDateTime"])
    assert {made[name] for name in ["templateId", "modifiedDateTime", "deletedDateTime", "sessionControls"]} == {None}
    assert made["state"] == REPORT_ONLY and made["displayName"] == document["displayName"]
    assert made["conditions"] == {
        "userRiskLevels": [], "signInRiskLevels": [], "servicePrincipalRiskLevels": ["high", "medium"],
        "clientAppTypes": ["all"], "insiderRiskLevels": None, "platforms": None, "devices": None,
        "authenticationFlows": None, "users": None,
        "locations": {"includeLocations": ["All"], "excludeLocations": [location["id"]]},
        "applications": {
            "includeApplications": ["All"], "excludeApplications": [], "includeUserActions": [],
            "includeAuthenticationContextClassReferences": [], "applicationFilter": None,
        },
        "clientApplications": {
            "includeServicePrincipals": [EVERYBODY], "excludeServicePrincipals": [workload.service_principal_id],
            "servicePrincipalFilter": {"mode": "exclude", "rule": 'CustomSecurityAttribute.Ops.Zone -eq "lab"'},
        },
    }
    controls = {name: value for name, value in made["grantControls"].items() if "@" not in name}
    assert controls == {
        "operator": "OR", "builtInControls": ["block"], "customAuthenticationFactors": [], "termsOfUse": [],
        "authenticationStrength": None,
    }
    found = (await setting.http.get(f"{POLICIES}/{made['id']}")).json()
    assert {name: value for name, value in found.items() if "@" not in name} == {
        name: value for name, value in made.items() if "@" not in name
    }
    await setting.delete(made["id"])


async def test_beta_knows_agents_and_v1_does_not(setting: Setting, workload: Workload):
    """§2: members of `clientApplications` and conditions that only beta has."""
    id = await setting.block(workload.service_principal_id, state="disabled")
    v1, beta = [
        (await setting.http.get(f"/{version}/identity/conditionalAccess/policies/{id}")).json()["conditions"]
        for version in ["v1.0", "beta"]
    ]
    agents = {"includeAgentIdServicePrincipals", "excludeAgentIdServicePrincipals", "agentIdServicePrincipalFilter"}
    assert not agents & set(v1["clientApplications"]) and "agentIdRiskLevels" not in v1
    assert agents <= set(beta["clientApplications"]) and "agentIdRiskLevels" in beta
    assert beta["clientApplications"]["includeAgentIdServicePrincipals"] == []
    shared = {name: beta["clientApplications"][name] for name in v1["clientApplications"]}
    assert shared == v1["clientApplications"]


@pytest.mark.parametrize("version", ["v1.0", "beta"])
async def test_a_policy_for_agents_is_refused(setting: Setting, workload: Workload, version: str):
    """v1.0 has no such member; beta has it, and nothing here would enforce it."""
    document = changed(
        policy(workload.service_principal_id), "conditions.clientApplications.includeAgentIdServicePrincipals", ["All"]
    )
    response = await setting.http.post(f"/{version}/identity/conditionalAccess/policies", json=document)
    assert response.status_code == 400, response.text
    assert "includeAgentIdServicePrincipals" in response.json()["error"]["message"]


async def test_a_policy_of_beta_is_the_policy_of_v1(setting: Setting, workload: Workload):
    made = await setting.create(policy(workload.service_principal_id), "/beta/identity/conditionalAccess/policies")
    found = (await setting.http.get(f"{POLICIES}/{made['id']}")).json()
    assert found["displayName"] == made["displayName"]
    blocked(await setting.ask(workload), made["id"])


async def test_a_change_names_only_what_changes(setting: Setting, workload: Workload):
    """§2: PATCH merges at the level of the members of `conditions`."""
    made = await setting.create(
        policy(workload.service_principal_id, state="disabled", risk=["high"], locations=["All"],
               exclude_locations=["AllTrusted"])
    )
    await setting.change(made["id"], {"conditions": {"servicePrincipalRiskLevels": ["low", "high"]}})
    found = (await setting.http.get(f"{POLICIES}/{made['id']}")).json()
    assert found["conditions"] == made["conditions"] | {"servicePrincipalRiskLevels": ["low", "high"]}
    assert found["modifiedDateTime"]
    await setting.change(made["id"], {"conditions": {"locations": None}})
    found = (await setting.http.get(f"{POLICIES}/{made['id']}")).json()
    assert found["conditions"]["locations"] is None
    assert found["conditions"]["servicePrincipalRiskLevels"] == ["low", "high"]
    unchanged = {"id", "displayName", "state", "createdDateTime", "grantControls"}
    assert {name: found[name] for name in unchanged} == {name: made[name] for name in unchanged}


async def test_a_change_of_nothing(setting: Setting):
    """Tools send what they hold again and again. It is no change: no record of one, and no token that it ends."""
    workload = await setting.workload("payroll", "Application.Read.All")
    network = await setting.create(ip_location("192.0.2.0/24"), LOCATIONS)
    made = await setting.create(policy(workload.service_principal_id, risk=["high"], locations=[network["id"]]))
    await setting.change(made["id"], {"displayName": graphs.unique("renamed")})
    kind = {"@odata.type": "#microsoft.graph.ipNamedLocation"}
    await setting.change(network["id"], kind | {"displayName": graphs.unique("renamed")}, LOCATIONS)
    token = await setting.token(workload)
    for path, id, activity, also in [
        (POLICIES, made["id"], "Update conditional access policy", {}),
        (LOCATIONS, network["id"], "Update named location", kind),
    ]:
        before = (await setting.http.get(f"{path}/{id}")).json()
        for change in [also, also | {"displayName": before["displayName"]}, before]:
            await setting.change(id, change, path)
        beta = path.replace("v1.0", "beta")
        await setting.change(id, (await setting.http.get(f"{beta}/{id}")).json(), beta)
        assert (await setting.http.get(f"{path}/{id}")).json() == before
        assert len(await setting.audits(id, activity)) == 1
    assert (await setting.call(token)).status_code == 200


@pytest.mark.parametrize(
    "change", [{"templateId": "no guid"}, {"@odata.type": "#microsoft.graph.ipNamedLocation"}, {"description": 3}],
    ids=lambda change: next(iter(change)),
)
async def test_what_a_policy_says_about_itself_is_read(setting: Setting, workload: Workload, change: dict):
    document = policy(workload.service_principal_id, state="disabled")
    response = await setting.http.post(POLICIES, json=document | change)
    assert response.status_code == 400 and next(iter(change)) in response.json()["error"]["message"], response.text
    kind = {"@odata.type": "#microsoft.graph.conditionalAccessPolicy"}
    made = await setting.create(document | kind | {"templateId": str(uuid.uuid4()), "description": "mine"})
    assert (await setting.http.patch(f"{POLICIES}/{made['id']}", json=change)).status_code == 400


async def test_a_change_must_leave_a_valid_policy(setting: Setting, workload: Workload):
    made = await setting.create(policy(workload.service_principal_id, state="disabled"))
    for change in [
        {"grantControls": None}, {"grantControls": {"operator": "OR", "builtInControls": ["mfa"]}},
        {"conditions": {"clientApplications": None}}, {"conditions": {"applications": None}}, {"state": "on"},
        {"conditions": {"locations": {"includeLocations": [str(uuid.uuid4())]}}},
    ]:
        response = await setting.http.patch(f"{POLICIES}/{made['id']}", json=change)
        assert response.status_code == 400, (change, response.text)
    found = (await setting.http.get(f"{POLICIES}/{made['id']}")).json()
    assert (found["conditions"], found["state"], found["modifiedDateTime"]) == (made["conditions"], "disabled", None)


async def test_lists(setting: Setting, workload: Workload):
    """§1: `$count $filter $orderby $select $skip $top`."""
    prefix = graphs.unique("listed")
    for number in range(5):
        state = "disabled" if number % 2 else REPORT_ONLY
        await setting.create(policy(workload.service_principal_id, state=state, name=f"{prefix} {number}"))

    async def names(**options: str) -> list[str]:
        query = {"$filter": f"startswith(displayName, '{prefix}')"}
        query |= {f"${name}": value for name, value in options.items()}
        response = await setting.http.get(POLICIES, params=query)
        assert response.status_code == 200, response.text
        return [one["displayName"].removeprefix(prefix).strip() for one in response.json()["value"]]

    assert await names(orderby="displayName") == ["0", "1", "2", "3", "4"]
    assert await names(orderby="displayName desc", top="2", skip="1") == ["3", "2"]
    own = f"startswith(displayName, '{prefix}')"
    assert await names(filter=f"{own} and state eq 'disabled'", orderby="displayName") == ["1", "3"]
    policies = setting.graph.identity.conditional_access.policies
    answer = await policies.get(graphs.query(policies, filter=own, count=True, top=1, select=["id", "displayName"]))
    assert answer.odata_count == 5
    assert answer.value[0].display_name and answer.value[0].conditions is None
    assert answer.odata_next_link


async def test_the_old_address_of_policies(setting: Setting, workload: Workload):
    """§1: the alias that older clients ask."""
    id = await setting.block(workload.service_principal_id, state="disabled")
    response = await setting.http.get("/v1.0/policies/conditionalAccessPolicies")
    assert response.status_code == 200, response.text
    assert id in {one["id"] for one in response.json()["value"]}


async def test_a_deleted_policy_comes_back(setting: Setting, workload: Workload):
    """§1: soft delete. What comes back is in force again, if it was."""
    id = await setting.block(workload.service_principal_id)
    blocked(await setting.ask(workload), id)
    await setting.delete(id)
    allowed(await setting.ask(workload))
    deleted = "/v1.0/identity/conditionalAccess/deletedItems/policies"
    assert id in {one["id"] for one in (await setting.http.get(deleted)).json()["value"]}
    assert (await setting.http.get(f"{deleted}/{id}")).json()["deletedDateTime"]
    response = await setting.http.post(f"{deleted}/{id}/restore")
    assert response.status_code == 200, response.text
    assert (response.json()["id"], response.json()["state"]) == (id, "enabled")
    blocked(await setting.ask(workload), id)
    assert id not in {one["id"] for one in (await setting.http.get(deleted)).json()["value"]}


async def test_a_policy_of_another_tenant(setting: Setting, workload: Workload):
    """Neither seen nor changed, and it blocks nobody here."""
    id = await setting.block(workload.service_principal_id)
    admin = setting.server.fabrikam.admin
    async with graphs.signed_in(setting.server, setting.server.fabrikam, admin.client_id, admin.secret) as other:
        item = other.identity.conditional_access.policies.by_conditional_access_policy_id(id)
        for attempt in [item.get(), item.delete(), item.patch(ConditionalAccessPolicy(display_name="theirs"))]:
            with pytest.raises(ODataError) as error:
                await attempt
            assert error.value.response_status_code == 404
        assert id not in {one.id for one in await listed(other.identity.conditional_access.policies)}
    blocked(await setting.ask(workload), id)


async def test_templates_can_be_used_as_they_are(setting: Setting):
    """§1. A template is a policy to begin with: report-only, until somebody has seen what it would do."""
    templates = await listed(setting.graph.identity.conditional_access.templates)
    assert templates
    raw = (await setting.http.get("/v1.0/identity/conditionalAccess/templates")).json()["value"]
    for template in raw:
        assert template["name"] and template["description"] and uuid.UUID(template["id"])
        one = await setting.http.get(f"/v1.0/identity/conditionalAccess/templates/{template['id']}")
        assert one.json()["details"] == template["details"]
        details = template["details"]
        document = {
            "templateId": template["id"], "displayName": graphs.unique("from a template"), "state": REPORT_ONLY,
            "conditions": details["conditions"], "grantControls": details["grantControls"],
        }
        made = await setting.create(document)
        assert made["templateId"] == template["id"]
        assert made["conditions"]["clientApplications"]["includeServicePrincipals"] == [EVERYBODY]
        await setting.delete(made["id"])
    assert any(one["details"]["conditions"]["servicePrincipalRiskLevels"] for one in raw), "one is about risk"


# What is refused (§6).


# The path that is changed, and its value.
INVALID: dict[str, tuple[str, object]] = {
    "no name": ("displayName", ...),
    "no state": ("state", ...),
    "another state": ("state", "on"),
    "no conditions": ("conditions", ...),
    "no applications": ("conditions.applications", ...),
    "no application included": ("conditions.applications.includeApplications", []),
    "an application that is no id": ("conditions.applications.includeApplications", ["Graph"]),
    "nobody": ("conditions.clientApplications", ...),
    "nobody included": ("conditions.clientApplications.includeServicePrincipals", []),
    "somebody unknown": ("conditions.clientApplications.includeServicePrincipals", [str(uuid.uuid4())]),
    "somebody unknown excluded": ("conditions.clientApplications.excludeServicePrincipals", [str(uuid.uuid4())]),
    "no control": ("grantControls", None),
    "a control that no workload can meet": ("grantControls.builtInControls", ["mfa"]),
    "such a control beside": ("grantControls.builtInControls", ["block", "compliantDevice"]),
    "terms of use": ("grantControls.termsOfUse", [str(uuid.uuid4())]),
    "a session control": (
        "sessionControls", {"signInFrequency": {"isEnabled": True, "type": "hours", "value": 4}},
    ),
    "people, too": ("conditions.users", {"includeUsers": ["All"]}),
    "risk of people": ("conditions.userRiskLevels", ["high"]),
    "risk of a person's sign-in": ("conditions.signInRiskLevels", ["high"]),
    "platforms": ("conditions.platforms", {"includePlatforms": ["all"]}),
    "flows of people": ("conditions.authenticationFlows", {"transferMethods": "deviceCodeFlow"}),
    "a level that is none": ("conditions.servicePrincipalRiskLevels", ["extreme"]),
    "levels that are null": ("conditions.servicePrincipalRiskLevels", None),
    "a location unknown": ("conditions.locations", {"includeLocations": [str(uuid.uuid4())], "excludeLocations": []}),
    "no location included": ("conditions.locations", {"includeLocations": [], "excludeLocations": ["AllTrusted"]}),
    "a rule that is none": (
        "conditions.clientApplications.servicePrincipalFilter", {"mode": "include", "rule": "Zone is lab"},
    ),
    "a rule about something else": (
        "conditions.clientApplications.servicePrincipalFilter",
        {"mode": "include", "rule": 'user.department -eq "lab"'},
    ),
    "a rule without mode": (
        "conditions.clientApplications.servicePrincipalFilter", {"rule": 'CustomSecurityAttribute.A.B -eq "c"'},
    ),
    "a rule that is too long": (
        "conditions.clientApplications.servicePrincipalFilter",
        {"mode": "include", "rule": f'CustomSecurityAttribute.A.B -eq "{"c" * 3072}"'},
    ),
    "a scope that is none": ("conditions.clientApplications.countersignScope", ["everything"]),
    "something unheard of": ("conditions.moon", "full"),
}


@pytest.mark.parametrize("case", INVALID)
async def test_a_policy_that_would_not_do_what_it_says_is_refused(setting: Setting, workload: Workload, case: str):
    path, value = INVALID[case]
    good = policy(workload.service_principal_id, state="disabled")
    response = await setting.http.post(POLICIES, json=changed(good, path, value))
    assert response.status_code == 400, response.text
    error = response.json()["error"]
    assert error["code"] == "BadRequest"
    assert error["message"] and error["innerError"]["request-id"]
    found = await setting.http.get(POLICIES, params={"$filter": f"displayName eq '{good['displayName']}'"})
    assert found.json()["value"] == []
    # The policy without the mistake is taken: it was refused for nothing else.
    await setting.create(good)


@pytest.mark.parametrize(
    "case",
    [
        "no applications", "nobody", "no control", "a control that no workload can meet", "people, too",
        "a location unknown", "somebody unknown",
    ],
)
async def test_what_is_missing_or_does_not_fit_has_a_number(setting: Setting, workload: Workload, case: str):
    """§6: the message starts with a number of Conditional Access."""
    path, value = INVALID[case]
    response = await setting.http.post(POLICIES, json=changed(policy(workload.service_principal_id), path, value))
    assert re.match(r"1\d{3}: \S", response.json()["error"]["message"]), response.text


async def test_an_unknown_location_is_named(setting: Setting, workload: Workload):
    missing = str(uuid.uuid4())
    response = await setting.http.post(POLICIES, json=policy(workload.service_principal_id, locations=[missing]))
    assert response.status_code == 400
    message = response.json()["error"]["message"]
    assert message.startswith("1040: ") and missing in message


@pytest.mark.parametrize("which", ["appId", "object id of the application"])
async def test_the_wrong_one_of_three_ids(setting: Setting, workload: Workload, which: str):
    """§4: the assignment is the object id of the service principal. A policy with another id would never block."""
    wrong = workload.app_id if which == "appId" else workload.object_id
    response = await setting.http.post(POLICIES, json=policy(wrong))
    assert response.status_code == 400 and wrong in response.json()["error"]["message"]


async def test_a_policy_for_people_is_refused(setting: Setting):
    """Their sign-ins are not evaluated, so it would promise what nothing keeps."""
    document = changed(policy(EVERYBODY, state="disabled"), "conditions.clientApplications", None)
    document = changed(document, "conditions.users", {"includeUsers": ["All"]})
    response = await setting.http.post(POLICIES, json=document)
    assert response.status_code == 400 and response.json()["error"]["code"] == "BadRequest"


async def test_users_may_be_none(setting: Setting, workload: Workload):
    """§2: what the portal sends along."""
    document = changed(policy(workload.service_principal_id), "conditions.users", {"includeUsers": ["None"]})
    made = await setting.create(document)
    blocked(await setting.ask(workload), made["id"])


# Who may (§1).


@pytest.mark.parametrize(
    ("permissions", "reads", "writes"),
    [
        ([], False, False),
        (["Application.Read.All", "IdentityRiskyServicePrincipal.ReadWrite.All"], False, False),
        (["Policy.Read.ConditionalAccess"], True, False),
        (["Policy.Read.All"], True, False),
        (["Policy.ReadWrite.ConditionalAccess"], True, False),
        (["Policy.ReadWrite.ConditionalAccess", "Policy.Read.All"], True, True),
    ],
    ids=lambda value: "+".join(value) or "none" if isinstance(value, list) else None,
)
async def test_permissions_of_applications(setting: Setting, permissions: list[str], reads: bool, writes: bool):
    """§1: to write takes both permissions, as at Microsoft."""
    caller = await setting.workload("caller", *permissions)
    about = await setting.workload("about")
    id = await setting.block(about.service_principal_id, state="disabled")
    bearer = {"Authorization": f"Bearer {await setting.token(caller, capable=False)}"} | from_address(OFFICE)

    async def status(method: str, path: str, **body: object) -> int:
        response = await setting.nobody.request(method, path, headers=bearer, **body)
        if response.status_code == 403:
            # §6, unlike elsewhere at Graph.
            assert response.json()["error"]["code"] == "AccessDenied"
            assert "required scopes are missing in the token" in response.json()["error"]["message"]
        return response.status_code

    assert await status("GET", POLICIES) == (200 if reads else 403)
    assert await status("GET", f"{POLICIES}/{id}") == (200 if reads else 403)
    assert await status("GET", LOCATIONS) == (200 if reads else 403)
    new = policy(about.service_principal_id, state="disabled")
    assert await status("POST", POLICIES, json=new) == (201 if writes else 403)
    assert await status("PATCH", f"{POLICIES}/{id}", json={"displayName": "changed"}) == (204 if writes else 403)
    assert await status("POST", LOCATIONS, json=ip_location("192.0.2.0/24")) == (201 if writes else 403)
    assert await status("DELETE", f"{POLICIES}/{id}") == (204 if writes else 403)


ROLES = {
    "Conditional Access Administrator": ("b1be1c3e-b65d-4f19-8427-f6fa0d97feb9", True, True),
    "Security Administrator": ("194ae4cb-b126-40b2-bd5b-6091b380977d", True, True),
    "Global Administrator": ("62e90394-69f5-4237-9190-012177145e10", True, True),
    "Security Reader": ("5d6b6bb7-de71-4623-b4af-96380a352509", True, False),
    "Global Reader": ("f2ef992c-3afb-46b9-b7cf-a126ee74c451", True, False),
    "Security Operator": ("5f2222b1-57c3-48ba-8ad5-d4759f1fde6f", False, False),
    "Application Administrator": ("9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3", False, False),
}


@pytest.mark.parametrize("role", ROLES)
async def test_roles_of_people(setting: Setting, role: str, monkeypatch: pytest.MonkeyPatch):
    """A person signs in with Microsoft's command-line tools, which carry every delegated permission."""
    id, reads, writes = ROLES[role]
    monkeypatch.setitem(people.ROLES, role, id)
    person: Person = await new_person(setting.graph, setting.tenant, role)
    with people.Browser(setting.server) as browser:
        found = await asyncio.to_thread(people.Authorization(setting.tenant).tokens, browser, person)
    as_person: GraphServiceClient = graphs.client(setting.server, TokenOnly(found["access_token"]))
    about = await setting.workload("about")
    policies = as_person.identity.conditional_access.policies
    response = await setting.nobody.post(
        POLICIES, json=policy(about.service_principal_id, state="disabled"),
        headers={"Authorization": f"Bearer {found['access_token']}"},
    )
    assert response.status_code == (201 if writes else 403), response.text
    if reads:
        assert (await policies.get()).value is not None
    else:
        with pytest.raises(ODataError) as error:
            await policies.get()
        assert error.value.response_status_code == 403


async def test_without_a_licence_policies_hold_and_do_not_change(database: str):
    """§4, licence: enforcement goes on. To delete stays possible, so that nobody is locked out for want of money."""
    async with own_setting(database) as setting:
        workload = await setting.workload()
        id = await setting.block(workload.service_principal_id)
        setting.server.done("tenant", "update", "--tenant", setting.tenant.id, "--plan", "free")
        await asyncio.sleep(KEPT_SECONDS)
        blocked(await setting.ask(workload), id)
        for response in [
            await setting.http.post(POLICIES, json=policy(workload.service_principal_id)),
            await setting.http.patch(f"{POLICIES}/{id}", json={"displayName": "changed"}),
        ]:
            assert response.status_code == 403, response.text
            assert response.json()["error"]["code"] == "AccessDenied"
            assert "licen" in response.json()["error"]["message"].lower()
        assert (await setting.http.get(f"{POLICIES}/{id}")).status_code == 200
        await setting.delete(id)
        allowed(await setting.ask(workload))


# The audit log (§9, and the reference on audit operations §3).


async def test_each_change_of_a_policy_is_recorded(setting: Setting, workload: Workload):
    made = await setting.create(policy(workload.service_principal_id, state="disabled"))
    await setting.change(made["id"], {"conditions": {"servicePrincipalRiskLevels": ["high"]}})
    await setting.delete(made["id"])
    kinds = [("Add", None, []), ("Update", [], ["high"]), ("Delete", ["high"], None)]
    for kind, old, new in kinds:
        [record] = await setting.audits(made["id"], f"{kind} conditional access policy")
        assert record["loggedByService"] == "Conditional Access"
        assert record["category"] == "Policy"
        assert record["operationType"] == kind
        assert record["result"] == "success"
        assert record["initiatedBy"]["app"]["servicePrincipalId"] == setting.tenant.admin.service_principal_id
        [target] = record["targetResources"]
        assert (target["id"], target["type"], target["displayName"]) == (made["id"], "Policy", made["displayName"])
        [property] = [
            one for one in target["modifiedProperties"] if one["displayName"] == "ConditionalAccessPolicy"
        ]
        # Both values are the whole policy as JSON.
        for value, expected in [(property["oldValue"], old), (property["newValue"], new)]:
            document = json.loads(value) if value else None
            found = document and document["conditions"]["servicePrincipalRiskLevels"]
            assert found == expected, (kind, value)


async def test_a_refused_policy_is_not_recorded_as_made(setting: Setting, workload: Workload):
    good = policy(workload.service_principal_id, state="disabled")
    bad = changed(policy(workload.service_principal_id), "grantControls.builtInControls", ["mfa"])
    assert (await setting.http.post(POLICIES, json=bad)).status_code == 400
    made = await setting.create(good)
    await setting.audits(made["id"], "Add conditional access policy")
    response = await setting.http.get(
        "/v1.0/auditLogs/directoryAudits",
        params={"$filter": "category eq 'Policy' and result eq 'success'", "$top": "100"},
    )
    assert response.status_code == 200, response.text
    names = {target["displayName"] for one in response.json()["value"] for target in one["targetResources"]}
    assert good["displayName"] in names and bad["displayName"] not in names


# The token endpoint (§8).


@pytest.mark.parametrize("version", TOKEN_VERSIONS)
async def test_who_is_blocked_is_told_so(setting: Setting, workload: Workload, version: str):
    allowed(await setting.ask(workload, version=version))
    id = await setting.block(workload.service_principal_id)
    blocked(await setting.ask(workload, version=version), id)
    other = await setting.workload("other")
    allowed(await setting.ask(other, version=version))


async def test_a_certificate_does_not_help(setting: Setting, workload: Workload):
    key = Key()
    await graphs.set_certificates(setting.graph, workload.object_id, key)

    async def ask() -> httpx.Response:
        assertion = key.assertion(workload.app_id, setting.server.token_endpoint(setting.tenant))
        fields = form(workload.app_id, client_assertion_type=ASSERTION_TYPE, client_assertion=assertion)
        return await setting.nobody.post(setting.server.token_endpoint(setting.tenant), data=fields)

    allowed(await ask())
    id = await setting.block(workload.service_principal_id)
    blocked(await ask(), id)


async def test_a_federated_credential_does_not_help(setting: Setting, workload: Workload, tmp_path):
    issuer = Issuer(setting.server.issuers, tmp_path)
    try:
        await setting.graph.applications.by_application_id(workload.object_id).federated_identity_credentials.post(
            FederatedIdentityCredential(name="job", issuer=issuer.url, subject="job", audiences=[AUDIENCE])
        )

        async def ask() -> httpx.Response:
            fields = form(
                workload.app_id, client_assertion_type=ASSERTION_TYPE, client_assertion=issuer.token("job")
            )
            return await setting.nobody.post(setting.server.token_endpoint(setting.tenant), data=fields)

        allowed(await ask())
        id = await setting.block(workload.service_principal_id)
        blocked(await ask(), id)
    finally:
        issuer.close()


async def test_all_policies_that_block_are_named(setting: Setting, workload: Workload):
    first = await setting.block(workload.service_principal_id)
    second = await setting.block(workload.service_principal_id, locations=["All"])
    await setting.block(workload.service_principal_id, risk=["high"])
    await setting.block(workload.service_principal_id, state=REPORT_ONLY)
    blocked(await setting.ask(workload), first, second)


async def test_who_does_not_know_the_secret_learns_nothing_of_policies(setting: Setting, workload: Workload):
    await setting.block(workload.service_principal_id)
    response = await setting.ask(workload, client_secret="wrong")
    assert (response.status_code, response.json()["error_codes"]) == (401, [7000215])
    assert "claims" not in response.json() and "suberror" not in response.json()


async def test_msal_shows_what_was_said(setting: Setting, workload: Workload):
    id = await setting.block(workload.service_principal_id)

    def acquire() -> dict:
        app = msal.ConfidentialClientApplication(
            workload.app_id, workload.secret, authority=f"{setting.server.authority}/{setting.tenant.id}",
            instance_discovery=False, verify=setting.server.ca, client_capabilities=["CP1"],
        )
        return app.acquire_token_for_client([GRAPH_SCOPE])

    result = await asyncio.to_thread(acquire)
    assert result["error"] == "invalid_grant" and result["error_codes"] == [53003]
    assert result["suberror"] == "message_only"
    assert json.loads(result["claims"])["access_token"]["capolids"]["values"] == [id]
    await setting.change(id, {"state": "disabled"})
    # Another application object: the first one answers from memory for 60 s.
    assert "access_token" in await asyncio.to_thread(acquire)


async def test_azure_identity_raises(setting: Setting, workload: Workload):
    await setting.block(workload.service_principal_id)

    def blocking() -> str:
        with ClientSecretCredential(
            setting.tenant.id, workload.app_id, workload.secret, authority=setting.server.authority,
            disable_instance_discovery=True, connection_verify=setting.server.ca,
        ) as credential:
            with pytest.raises(ClientAuthenticationError) as error:
                credential.get_token(GRAPH_SCOPE)
            return str(error.value)

    assert (await asyncio.to_thread(blocking)).startswith("Authentication failed: AADSTS53003: ")
    async with graphs.credential(setting.server, setting.tenant, workload.app_id, workload.secret) as credential:
        with pytest.raises(ClientAuthenticationError) as error:
            await credential.get_token(GRAPH_SCOPE)
    assert "(invalid_grant) AADSTS53003" in str(error.value) and error.value.status_code == 400


# Conditions. The table of all rules is test_evaluation_semantics.py; here is what decides at the token endpoint.


async def test_everybody_but_one(setting: Setting, workload: Workload):
    other = await setting.workload("other")
    async with setting.in_force(EVERYBODY, exclude=[other.service_principal_id]) as id:
        blocked(await setting.ask(workload), id)
        allowed(await setting.ask(other))
        late = await setting.workload("made later")
        blocked(await setting.ask(late), id)
    allowed(await setting.ask(workload))


async def test_only_the_risky(setting: Setting, workload: Workload):
    """§4: the level of now; who was dismissed is no risk."""
    id = await setting.block(workload.service_principal_id, risk=["high"])
    allowed(await setting.ask(workload))
    await graphs.confirm(setting.graph, workload.service_principal_id)
    blocked(await setting.ask(workload), id)
    await graphs.dismiss(setting.graph, workload.service_principal_id)
    allowed(await setting.ask(workload))
    await graphs.confirm(setting.graph, workload.service_principal_id)
    blocked(await setting.ask(workload), id)


async def test_another_level_of_risk(setting: Setting, workload: Workload):
    await setting.block(workload.service_principal_id, risk=["low", "medium", "none"])
    allowed(await setting.ask(workload))
    await graphs.confirm(setting.graph, workload.service_principal_id)
    allowed(await setting.ask(workload))


async def new_resource(setting: Setting) -> tuple[str, str]:
    """An API of our own: its appId, and what to ask for."""
    application = await graphs.new_application(setting.graph, "api", sign_in_audience="AzureADMyOrg")
    await graphs.new_service_principal(setting.graph, application)
    return application.app_id, f"{application.app_id}/.default"


async def test_only_one_resource(setting: Setting, workload: Workload):
    app_id, scope = await new_resource(setting)
    id = await setting.block(workload.service_principal_id, resources=[app_id])
    blocked(await setting.ask(workload, scope=scope), id)
    allowed(await setting.ask(workload))


async def test_all_resources_but_one(setting: Setting, workload: Workload):
    app_id, scope = await new_resource(setting)
    id = await setting.block(workload.service_principal_id, exclude_resources=[app_id])
    allowed(await setting.ask(workload, scope=scope))
    blocked(await setting.ask(workload), id)


@pytest.mark.parametrize(
    "scope", ["https://graph.microsoft.com//.default", "https://localhost/.default", f"{GRAPH_APP_ID}/.default"]
)
async def test_another_name_of_the_resource_does_not_help(setting: Setting, workload: Workload, scope: str):
    id = await setting.block(workload.service_principal_id, resources=[GRAPH_APP_ID])
    blocked(await setting.ask(workload, scope=scope), id)


async def test_outside_a_network(setting: Setting, workload: Workload):
    office = await setting.create(ip_location("198.51.100.0/24", "2001:db8:1::/48"), LOCATIONS)
    id = await setting.block(workload.service_principal_id, locations=["All"], exclude_locations=[office["id"]])
    allowed(await setting.ask(workload, OFFICE))
    allowed(await setting.ask(workload, "2001:db8:1:2::3"))
    blocked(await setting.ask(workload, ELSEWHERE), id)
    blocked(await setting.ask(workload, "2001:db8:2::1"), id)
    # The same address in another form.
    allowed(await setting.ask(workload, f"::ffff:{OFFICE}"))


async def test_inside_a_network(setting: Setting, workload: Workload):
    """§3: bits behind the prefix mean nothing, as in the documents' own example."""
    guests = await setting.create(ip_location("203.0.113.77/24"), LOCATIONS)
    id = await setting.block(workload.service_principal_id, locations=[guests["id"]])
    blocked(await setting.ask(workload, "203.0.113.1"), id)
    allowed(await setting.ask(workload, OFFICE))


async def test_outside_all_trusted_networks(setting: Setting, workload: Workload):
    trusted = await setting.create(ip_location("198.51.100.0/25", trusted=True), LOCATIONS)
    await setting.create(ip_location("203.0.113.0/24"), LOCATIONS)
    id = await setting.block(workload.service_principal_id, locations=["All"], exclude_locations=["AllTrusted"])
    allowed(await setting.ask(workload, OFFICE))
    blocked(await setting.ask(workload, ELSEWHERE), id)
    await setting.change(
        trusted["id"], {"@odata.type": "#microsoft.graph.ipNamedLocation", "isTrusted": False}, LOCATIONS
    )
    blocked(await setting.ask(workload, OFFICE), id)


async def test_a_country(setting: Setting, workload: Workload):
    russia = await setting.create(country_location("RU"), LOCATIONS)
    id = await setting.block(workload.service_principal_id, locations=[russia["id"]])
    blocked(await setting.ask(workload, IN_RUSSIA), id)
    allowed(await setting.ask(workload, IN_THE_STATES))
    allowed(await setting.ask(workload, OFFICE))


async def test_a_country_that_nobody_knows(setting: Setting, workload: Workload):
    """§4 step 6: it counts where the location says so, and for `All`."""
    states = await setting.create(country_location("US"), LOCATIONS)
    id = await setting.block(workload.service_principal_id, locations=["All"], exclude_locations=[states["id"]])
    allowed(await setting.ask(workload, IN_THE_STATES))
    blocked(await setting.ask(workload, OFFICE), id)
    await setting.change(
        states["id"],
        {"@odata.type": "#microsoft.graph.countryNamedLocation", "includeUnknownCountriesAndRegions": True}, LOCATIONS,
    )
    allowed(await setting.ask(workload, OFFICE))
    blocked(await setting.ask(workload, IN_RUSSIA), id)


async def test_nobody_says_for_himself_where_he_is(setting: Setting, workload: Workload):
    """What a client writes in front of what the proxy saw is not believed."""
    office = await setting.create(ip_location("198.51.100.0/24"), LOCATIONS)
    id = await setting.block(workload.service_principal_id, locations=["All"], exclude_locations=[office["id"]])
    blocked(await setting.ask(workload, f"{OFFICE}, {ELSEWHERE}"), id)


@pytest.mark.parametrize("hop", [f"{ELSEWHERE}:50123", "[2001:db8::77]:50123", '"[2001:db8::77]"', "unknown"])
async def test_a_proxy_that_writes_addresses_in_another_way(setting: Setting, workload: Workload, hop: str):
    """Some write the port, too. Whoever cannot be placed is not where the proxy is, which an office trusts."""
    inside = await setting.create(ip_location("127.0.0.0/8", trusted=True), LOCATIONS)
    id = await setting.block(workload.service_principal_id, locations=["All"], exclude_locations=[inside["id"]])
    blocked(await setting.ask(workload, hop), id)


async def attributes(setting: Setting, workload: Workload, **values: object) -> None:
    """Custom security attributes of the set `Ops`."""
    ops = {"@odata.type": "#Microsoft.DirectoryServices.CustomSecurityAttributeValue"}
    for name, value in values.items():
        if isinstance(value, list):
            ops[f"{name}@odata.type"] = "#Collection(String)"
        ops[name] = value
    response = await setting.http.patch(
        f"/v1.0/servicePrincipals/{workload.service_principal_id}", json={"customSecurityAttributes": {"Ops": ops}}
    )
    assert response.status_code == 204, response.text


async def test_who_has_an_attribute(setting: Setting, workload: Workload):
    """§5: evaluated when a token is asked for. Who has no attribute matches no rule about its value."""
    other, without = await setting.workload("other"), await setting.workload("without")
    await attributes(setting, workload, Zone="production", Teams=["pay", "tax"])
    await attributes(setting, other, Zone="lab")
    rule = 'CustomSecurityAttribute.Ops.Zone -eq "production" -and CustomSecurityAttribute.Ops.Teams -contains "tax"'
    async with setting.in_force(filter=("include", rule)) as id:
        blocked(await setting.ask(workload), id)
        allowed(await setting.ask(other))
        allowed(await setting.ask(without))
        await attributes(setting, other, Zone="production", Teams=["tax"])
        blocked(await setting.ask(other), id)


async def test_who_has_an_attribute_is_let_out(setting: Setting, workload: Workload):
    other = await setting.workload("other")
    await attributes(setting, other, Zone="lab")
    rule = 'CustomSecurityAttribute.Ops.Zone -in ["lab", "test"]'
    async with setting.in_force(EVERYBODY, filter=("exclude", rule)) as id:
        blocked(await setting.ask(workload), id)
        allowed(await setting.ask(other))


async def test_who_owns_a_workload_does_not_let_it_out(setting: Setting):
    """§5: assigning values takes the permission of attributes, and no other; policies rest on them."""
    workload = await setting.workload("owner", "Application.ReadWrite.OwnedBy")
    link = f"https://graph.microsoft.com/v1.0/directoryObjects/{workload.service_principal_id}"
    response = await setting.http.post(
        f"/v1.0/servicePrincipals/{workload.service_principal_id}/owners/$ref", json={"@odata.id": link}
    )
    assert response.status_code == 204, response.text
    bearer = {"Authorization": f"Bearer {await setting.token(workload, capable=False)}"} | from_address(OFFICE)
    rule = 'CustomSecurityAttribute.Ops.Zone -eq "lab"'
    id = await setting.block(workload.service_principal_id, filter=("exclude", rule))
    blocked(await setting.ask(workload), id)
    kind = {"@odata.type": "#Microsoft.DirectoryServices.CustomSecurityAttributeValue"}
    lab = {"customSecurityAttributes": {"Ops": kind | {"Zone": "lab"}}}
    path = f"/v1.0/servicePrincipals/{workload.service_principal_id}"
    assert (await setting.nobody.patch(path, json={"notes": "mine"}, headers=bearer)).status_code == 204
    assert (await setting.nobody.patch(path, json=lab, headers=bearer)).status_code == 403
    blocked(await setting.ask(workload), id)
    mine = await setting.nobody.post("/v1.0/applications", json={"displayName": "mine"}, headers=bearer)
    response = await setting.nobody.post(
        "/v1.0/servicePrincipals", json={"appId": mine.json()["appId"]} | lab, headers=bearer
    )
    assert response.status_code == 403


async def test_attributes_are_read_with_their_own_permission(setting: Setting, workload: Workload):
    """What they say of a workload tells which policies let it out. Nor does a filter tell."""
    await attributes(setting, workload, Zone="lab")
    reader = await setting.workload("reader", "Application.Read.All")
    token = await setting.token(reader)
    path = f"/v1.0/servicePrincipals/{workload.service_principal_id}?$select=id,customSecurityAttributes"
    assert "lab" not in (await setting.call(token, path=path)).text
    response = await setting.call(
        token, path="/v1.0/servicePrincipals?$filter=customSecurityAttributes/Ops/Zone eq 'lab'&$count=true"
    )
    assert response.status_code in (400, 403), response.text[:200]


async def test_an_assignment_is_recorded_without_its_values(setting: Setting, workload: Workload):
    """The log is read by whoever may not read attributes."""
    await attributes(setting, workload, Zone="Spitsbergen")
    activity = "Update attribute values assigned to a servicePrincipal"
    [record] = await setting.audits(workload.service_principal_id, activity)
    assert (record["category"], record["loggedByService"]) == ("AttributeManagement", "Core Directory")
    [target] = record["targetResources"]
    assert [one["displayName"] for one in target["modifiedProperties"]] == ["Ops.Zone"]
    everything = await setting.http.get(
        "/v1.0/auditLogs/directoryAudits",
        params={"$filter": f"targetResources/any(t: t/id eq '{workload.service_principal_id}')", "$top": "100"},
    )
    about = everything.json()["value"]
    assert record["id"] in {one["id"] for one in about} and "Spitsbergen" not in json.dumps(about)


async def test_all_conditions_must_hold(setting: Setting, workload: Workload):
    """§4 step 7."""
    guests = await setting.create(ip_location("203.0.113.0/24"), LOCATIONS)
    id = await setting.block(workload.service_principal_id, risk=["high"], locations=[guests["id"]])
    allowed(await setting.ask(workload, ELSEWHERE))
    await graphs.confirm(setting.graph, workload.service_principal_id)
    allowed(await setting.ask(workload, OFFICE))
    blocked(await setting.ask(workload, ELSEWHERE), id)


@pytest.mark.parametrize("state", ["disabled", REPORT_ONLY])
async def test_what_is_not_enforced_blocks_nobody(setting: Setting, workload: Workload, state: str):
    id = await setting.block(workload.service_principal_id, state=state)
    allowed(await setting.ask(workload))
    await setting.change(id, {"state": "enabled"})
    blocked(await setting.ask(workload), id)
    await setting.change(id, {"state": state})
    allowed(await setting.ask(workload))


# Whom policies are about (§4).


@pytest.mark.parametrize("audience", ["AzureADMultipleOrgs", "AzureADandPersonalMicrosoftAccount"])
async def test_an_application_of_several_tenants_is_out_of_scope(setting: Setting, audience: str):
    workload = await setting.workload("saas", sign_in_audience=audience)
    await setting.block(workload.service_principal_id)
    allowed(await setting.ask(workload))


async def test_whether_it_is_in_scope_is_asked_at_each_sign_in(setting: Setting, workload: Workload):
    """§4: an application that becomes multi-tenant is not blocked any more, the policy stays."""
    id = await setting.block(workload.service_principal_id)
    blocked(await setting.ask(workload), id)
    application = setting.graph.applications.by_application_id(workload.object_id)
    await application.patch(Application(sign_in_audience="AzureADMultipleOrgs"))
    allowed(await setting.ask(workload))
    assert (await setting.http.get(f"{POLICIES}/{id}")).json()["state"] == "enabled"
    await application.patch(Application(sign_in_audience="AzureADMyOrg"))
    blocked(await setting.ask(workload), id)


async def test_a_policy_may_be_about_applications_of_several_tenants(setting: Setting, workload: Workload):
    """Our own: a policy says itself that it goes beyond Entra's scope."""
    saas = await setting.workload("saas", sign_in_audience="AzureADMultipleOrgs")
    made = await setting.create(policy(saas.service_principal_id, scope=["multiTenantApplications"]))
    assert made["conditions"]["clientApplications"]["countersignScope"] == ["multiTenantApplications"]
    blocked(await setting.ask(saas), made["id"])
    plain = await setting.create(policy(workload.service_principal_id))
    assert "countersignScope" not in plain["conditions"]["clientApplications"], "Graph's own shape unless used"
    async with setting.in_force(EVERYBODY, scope=["multiTenantApplications"]) as id:
        blocked(await setting.ask(saas), made["id"], id)


async def test_an_application_of_somebody_else(setting: Setting):
    """§4: third-party applications are out of scope, unless the policy says otherwise."""
    async with opened(setting.server, setting.server.fabrikam) as vendor:
        theirs = await vendor.workload("vendor", sign_in_audience="AzureADMultipleOrgs")
    visitor = await setting.graph.service_principals.post(ServicePrincipal(app_id=theirs.app_id))
    plain = await setting.block(visitor.id)
    allowed(await setting.ask(theirs))
    wide = await setting.block(visitor.id, scope=["multiTenantApplications"])
    blocked(await setting.ask(theirs), wide)
    fields = form(theirs.app_id, client_secret=theirs.secret)
    at_home = setting.server.token_endpoint(setting.server.fabrikam)
    allowed(await setting.nobody.post(at_home, data=fields))
    await setting.delete(wide)
    allowed(await setting.ask(theirs))
    assert (await setting.http.get(f"{POLICIES}/{plain}")).json()["state"] == "enabled"


async def test_managed_identities(database: str, monkeypatch: pytest.MonkeyPatch):
    """Out of scope, unless the policy says otherwise."""
    with own_server(database, second=False) as server:
        port = free_port()
        server.configuration = f'[managed_identity]\nlisten = "127.0.0.1:{port}"\ntenant = "{server.contoso.id}"\n'
        made = json.loads(server.done("managed-identity", "create", "--name", "machine", "--json"))
        server.start()
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", f"http://127.0.0.1:{port}")
        def token() -> str:
            with ManagedIdentityCredential() as credential:
                return credential.get_token(GRAPH_SCOPE).token

        async with opened(server, server.contoso) as setting:
            id = await setting.block(made["servicePrincipalId"])
            assert await asyncio.to_thread(token)
            scope = {"conditions": {"clientApplications": {
                "includeServicePrincipals": [made["servicePrincipalId"]], "countersignScope": ["managedIdentities"],
            }}}
            await setting.change(id, scope)
            with pytest.raises(ClientAuthenticationError, match="AADSTS53003"):
                await asyncio.to_thread(token)


# The record (§9).


def about(record: dict, policy_id: str) -> dict:
    [found] = [one for one in record["appliedConditionalAccessPolicies"] if one["id"] == policy_id]
    return found


def flags(text: str) -> set[str]:
    return set(text.split(",")) - {"none", ""}


async def test_the_record_of_a_refusal(setting: Setting, workload: Workload):
    made = await setting.create(policy(workload.service_principal_id, locations=["All"]))
    refusal = blocked(await setting.ask(workload), made["id"])
    [record] = await setting.sign_ins(workload, 1)
    assert record["status"]["errorCode"] == 53003
    assert record["status"]["failureReason"] == "Access has been blocked due to Conditional Access policies."
    assert record["id"] == refusal["trace_id"]
    assert record["conditionalAccessStatus"] == "failure"
    found = about(record, made["id"])
    assert found["displayName"] == made["displayName"]
    assert found["result"] == "failure"
    assert found["enforcedGrantControls"] == ["Block"] and found["enforcedSessionControls"] == []
    assert {"servicePrincipals", "application", "location"} <= flags(found["conditionsSatisfied"])
    assert flags(found["conditionsNotSatisfied"]) == set()
    assert record["ipAddress"] == OFFICE


async def test_the_record_of_who_was_not_concerned(setting: Setting, workload: Workload):
    id = await setting.block(workload.service_principal_id, risk=["high"])
    allowed(await setting.ask(workload))
    [record] = await setting.sign_ins(workload, 1)
    assert record["status"]["errorCode"] == 0
    assert record["conditionalAccessStatus"] == "notApplied"
    found = about(record, id)
    assert found["result"] == "notApplied" and found["enforcedGrantControls"] == []
    assert flags(found["conditionsNotSatisfied"]) == {"servicePrincipalRisk"}
    assert "servicePrincipals" in flags(found["conditionsSatisfied"])


async def test_the_record_of_a_report(setting: Setting, workload: Workload):
    """§4: report-only is seen in the record and nowhere else."""
    would_block = await setting.block(workload.service_principal_id, state=REPORT_ONLY)
    would_not = await setting.block(workload.service_principal_id, state=REPORT_ONLY, risk=["high"])
    off = await setting.block(workload.service_principal_id, state="disabled")
    allowed(await setting.ask(workload))
    [record] = await setting.sign_ins(workload, 1)
    assert record["conditionalAccessStatus"] == "notApplied"
    assert about(record, would_block)["result"] == "reportOnlyFailure"
    assert about(record, would_not)["result"] == "reportOnlyNotApplied"
    applied = record["appliedConditionalAccessPolicies"]
    assert {one["result"] for one in applied if one["id"] == off} <= {"notEnabled"}


async def test_a_report_beside_a_refusal(setting: Setting, workload: Workload):
    block = await setting.block(workload.service_principal_id)
    report = await setting.block(workload.service_principal_id, state=REPORT_ONLY)
    blocked(await setting.ask(workload), block)
    [record] = await setting.sign_ins(workload, 1)
    assert record["conditionalAccessStatus"] == "failure"
    assert about(record, block)["result"] == "failure"
    assert about(record, report)["result"] == "reportOnlyFailure"


async def test_the_record_of_who_is_out_of_scope(setting: Setting):
    workload = await setting.workload("saas", sign_in_audience="AzureADMultipleOrgs")
    await setting.block(workload.service_principal_id)
    allowed(await setting.ask(workload))
    [record] = await setting.sign_ins(workload, 1)
    assert record["conditionalAccessStatus"] == "notApplied"
    results = {one["result"] for one in record["appliedConditionalAccessPolicies"]}
    assert results <= {"notApplied", "reportOnlyNotApplied"}


async def test_a_wrong_secret_says_nothing_of_policies_in_the_record(setting: Setting, workload: Workload):
    await setting.block(workload.service_principal_id)
    await setting.ask(workload, client_secret="wrong")
    [record] = await setting.sign_ins(workload, 1)
    assert record["status"]["errorCode"] == 7000215
    assert record["conditionalAccessStatus"] == "notApplied"
    assert "failure" not in {one["result"] for one in record["appliedConditionalAccessPolicies"]}


async def test_who_may_not_read_policies_does_not_read_them_in_records(setting: Setting, workload: Workload):
    """§9, note."""
    name = graphs.unique("secret policy")
    await setting.block(workload.service_principal_id, name=name)
    await setting.ask(workload)
    [record] = await setting.sign_ins(workload, 1)
    assert name in json.dumps(record)
    reader = await setting.workload("reader", "AuditLog.Read.All")
    text = (await setting.call(await setting.token(reader), path=f"/beta/auditLogs/signIns/{record['id']}")).text
    found = json.loads(text)
    assert found["status"]["errorCode"] == 53003
    assert not found.get("appliedConditionalAccessPolicies")
    assert name not in text


async def test_nor_by_asking_for_records_of_a_policy(setting: Setting, workload: Workload):
    """A filter that finds something or nothing tells letter by letter what is not shown."""
    id = await setting.block(workload.service_principal_id, name=graphs.unique("secret policy"))
    await setting.ask(workload)
    await setting.sign_ins(workload, 1)
    own = f"servicePrincipalId eq '{workload.service_principal_id}'"
    own += " and signInEventTypes/any(t: t eq 'servicePrincipal')"
    reader = await setting.token(await setting.workload("reader", "AuditLog.Read.All"))
    both = await setting.token(await setting.workload("both", "AuditLog.Read.All", "Policy.Read.All"))
    for condition in [
        f"p/id eq '{id}'", "startswith(p/displayName,'secret')", "p/result eq 'failure'",
    ]:
        query = f"$filter={own} and appliedConditionalAccessPolicies/any(p: {condition})"
        path = f"/beta/auditLogs/signIns?{query}"
        assert len((await setting.call(both, path=path)).json()["value"]) == 1, condition
        response = await setting.call(reader, path=path)
        assert response.status_code in (400, 403) or response.json()["value"] == [], condition


async def test_nor_does_a_person_whose_role_does_not_read_policies(
    setting: Setting, workload: Workload, monkeypatch: pytest.MonkeyPatch
):
    """Microsoft's command-line tools carry the permission for everybody; the role is what counts."""
    name = graphs.unique("secret policy")
    await setting.block(workload.service_principal_id, name=name)
    await setting.ask(workload)
    [record] = await setting.sign_ins(workload, 1)
    for role, id, reads in [
        ("Reports Reader", "4a5d8f65-41da-4de4-8968-e035b65339cf", False),
        ("Security Reader", "5d6b6bb7-de71-4623-b4af-96380a352509", True),
    ]:
        monkeypatch.setitem(people.ROLES, role, id)
        person = await new_person(setting.graph, setting.tenant, role)
        with people.Browser(setting.server) as browser:
            found = await asyncio.to_thread(people.Authorization(setting.tenant).tokens, browser, person)
        assert (await setting.call(found["access_token"], path=POLICIES)).status_code == (200 if reads else 403)
        response = await setting.call(found["access_token"], path=f"/beta/auditLogs/signIns/{record['id']}")
        assert response.status_code == 200, response.text
        assert (name in response.text) is reads, role


async def test_the_client_for_graph_reads_the_record(setting: Setting, workload: Workload):
    id = await setting.block(workload.service_principal_id)
    await setting.ask(workload)
    [record] = await setting.sign_ins(workload, 1)
    found = await setting.beta.audit_logs.sign_ins.by_sign_in_id(record["id"]).get()
    assert found.conditional_access_status.value == "failure"
    [applied] = [one for one in found.applied_conditional_access_policies if one.id == id]
    assert applied.result.value == "failure" and applied.enforced_grant_controls == ["Block"]


# Closed when in doubt.


async def test_without_its_database_nobody_gets_a_token(database: str):
    """Neither the one who would be blocked nor, for want of a record, another; afterwards all is as before."""
    if database != "postgres":
        pytest.skip("a file does not go away")
    async with own_setting(database) as setting:
        workload, other = await setting.workload("blocked"), await setting.workload("free")
        id = await setting.block(workload.service_principal_id, risk=["high"])
        await graphs.confirm(setting.graph, workload.service_principal_id)
        blocked(await setting.ask(workload), id)
        allowed(await setting.ask(other))
        address, name = os.environ["COUNTERSIGN_TEST_DATABASE"], urlsplit(setting.server.database).path.strip("/")
        sql(address, f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        sql(address, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        try:
            for one in [workload, other]:
                response = await setting.ask(one)
                assert response.status_code in (400, 503), response.text
                assert "access_token" not in response.text
        finally:
            sql(address, f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')

        async def again() -> bool:
            return (await setting.ask(other)).status_code == 200

        assert await graphs.eventually(again)
        blocked(await setting.ask(workload), id)


async def test_a_policy_survives_the_server(database: str):
    async with own_setting(database) as setting:
        workload = await setting.workload()
        id = await setting.block(workload.service_principal_id)
        assert setting.server.stop() == 0
        setting.server.start()
        blocked(await setting.ask(workload), id)


async def test_the_last_policies_are_made_at_the_same_time(database: str):
    """One more than can be evaluated, and nobody of the tenant would get a token or an answer any more."""
    async with own_setting(database) as setting:
        workload = await setting.workload("payroll", "Application.Read.All")
        document = policy(EVERYBODY, state="disabled")

        async def make(count: int) -> list[str]:
            """The ids of those that were made; the others were refused."""
            responses = await asyncio.gather(*(setting.http.post(POLICIES, json=document) for _ in range(count)))
            assert {response.status_code for response in responses} <= {201, 400}
            return [response.json()["id"] for response in responses if response.status_code == 201]

        # As many at once as connections are kept open, so that the last ones do not wait for each other's handshake.
        for count in [11, *[20] * 25]:
            assert len(await make(count)) == count
        for _ in range(5):
            [last] = await make(20)
            allowed(await setting.ask(workload))
            response = await setting.http.get(f"{POLICIES}/$count")
            assert (response.status_code, response.text) == (200, "512")
            await setting.delete(last)
