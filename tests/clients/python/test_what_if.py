"""What If: which policies would apply, and why the others would not.

Each rule of the evaluation is asked in test_evaluation_semantics.py.
"""

import uuid
from collections.abc import AsyncIterator

import pytest
from azure.core.exceptions import ClientAuthenticationError
from msgraph.generated.identity.conditional_access.evaluate.evaluate_post_request_body import EvaluatePostRequestBody
from msgraph.generated.models.application_context import ApplicationContext
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.risk_level import RiskLevel
from msgraph.generated.models.service_principal_sign_in import ServicePrincipalSignIn
from msgraph.generated.models.sign_in_conditions import SignInConditions
from msgraph.generated.models.user_sign_in import UserSignIn
from msgraph.generated.models.what_if_analysis_reasons import WhatIfAnalysisReasons

from support import graph as graphs
from support.access import (
    ELSEWHERE, EVALUATE, IN_RUSSIA, IN_THE_STATES, LOCATIONS, OFFICE, REPORT_ONLY, Program, Setting, changed,
    country_location, ip_location, own_setting, policy,
)
from support.graph import GRAPH_APP_ID, Workload
from support.server import GRAPH_SCOPE


@pytest.fixture(scope="module")
async def setting(database: str) -> AsyncIterator[Setting]:
    async with own_setting(database) as setting:
        yield setting


@pytest.fixture
async def workload(setting: Setting) -> Workload:
    return await setting.workload("payroll")


def question(workload: Workload, *, resource: str = GRAPH_APP_ID, applied_only: bool = False, **conditions) -> dict:
    return {
        "signInIdentity": {
            "@odata.type": "#microsoft.graph.servicePrincipalSignIn",
            "servicePrincipalId": workload.service_principal_id,
        },
        "signInContext": {"@odata.type": "#microsoft.graph.applicationContext", "includeApplications": [resource]},
        "signInConditions": conditions,
        "appliedPoliciesOnly": applied_only,
    }


async def ask(setting: Setting, workload: Workload, *, path: str = EVALUATE, **more) -> dict[str, dict]:
    """The results by the ids of policies."""
    response = await setting.http.post(path, json=question(workload, **more))
    assert response.status_code == 200, response.text
    return {one["id"]: one for one in response.json()["value"]}


async def test_with_the_models_of_the_client(setting: Setting, workload: Workload):
    applies = await setting.block(workload.service_principal_id, risk=["high"])
    does_not = await setting.block(workload.service_principal_id, risk=["low"])
    answer = await setting.graph.identity.conditional_access.evaluate.post(
        EvaluatePostRequestBody(
            sign_in_identity=ServicePrincipalSignIn(service_principal_id=workload.service_principal_id),
            sign_in_context=ApplicationContext(include_applications=[GRAPH_APP_ID]),
            sign_in_conditions=SignInConditions(
                service_principal_risk_level=RiskLevel.High, country="FR", ip_address="203.0.113.10"
            ),
            applied_policies_only=False,
        )
    )
    found = {one.id: one for one in answer.value}
    assert found[applies].policy_applies is True
    # Flags: the client makes a list of them.
    assert found[applies].analysis_reasons == [WhatIfAnalysisReasons.NotSet]
    assert found[does_not].policy_applies is False
    assert found[does_not].analysis_reasons == [WhatIfAnalysisReasons.WorkloadIdentities]
    assert found[applies].conditions.client_applications.include_service_principals == [workload.service_principal_id]


@pytest.mark.parametrize("version", ["v1.0", "beta"])
async def test_the_answer_is_policies_with_a_result(setting: Setting, workload: Workload, version: str):
    """§7."""
    made = await setting.create(policy(workload.service_principal_id))
    path = f"/{version}/identity/conditionalAccess/evaluate"
    response = await setting.http.post(path, json=question(workload, ipAddress=OFFICE))
    document = response.json()
    assert document["@odata.context"].endswith(f"/{version}/$metadata#Collection(microsoft.graph.whatIfAnalysisResult)")
    [found] = [one for one in document["value"] if one["id"] == made["id"]]
    assert (found["policyApplies"], found["analysisReasons"]) == (True, "notSet")
    assert found["grantControls"]["builtInControls"] == ["block"] and found["state"] == "enabled"
    assert found["displayName"] == made["displayName"]
    if version == "v1.0":
        assert found["conditions"] == made["conditions"]


async def test_only_what_applies(setting: Setting, workload: Workload):
    applies = await setting.block(workload.service_principal_id)
    report = await setting.block(workload.service_principal_id, state=REPORT_ONLY)
    off = await setting.block(workload.service_principal_id, state="disabled")
    found = await ask(setting, workload, ipAddress=OFFICE)
    assert found[off]["policyApplies"] is False and found[off]["analysisReasons"] == "policyNotEnabled"
    found = await ask(setting, workload, ipAddress=OFFICE, applied_only=True)
    assert set(found) == {applies, report}
    assert found[report]["state"] == REPORT_ONLY, "the state tells whether it would block"


async def test_what_was_left_out_is_not_made_up(setting: Setting, workload: Workload):
    """Neither the risk of now nor the address of whoever asks."""
    await graphs.confirm(setting.graph, workload.service_principal_id)
    here = await setting.create(ip_location("127.0.0.0/9"), LOCATIONS)
    risk = await setting.block(workload.service_principal_id, risk=["high"])
    place = await setting.block(workload.service_principal_id, locations=[here["id"]])
    found = await ask(setting, workload)
    for id in [risk, place]:
        assert (found[id]["policyApplies"], found[id]["analysisReasons"]) == (False, "notEnoughInformation")


async def test_a_country_is_found_by_the_address(setting: Setting, workload: Workload):
    russia = await setting.create(country_location("RU"), LOCATIONS)
    id = await setting.block(workload.service_principal_id, locations=[russia["id"]])
    for conditions, applies in [
        ({"ipAddress": IN_RUSSIA}, True), ({"ipAddress": IN_THE_STATES}, False), ({"ipAddress": OFFICE}, False),
        # What is said wins over what is looked up.
        ({"ipAddress": IN_THE_STATES, "country": "RU"}, True), ({"ipAddress": IN_RUSSIA, "country": "US"}, False),
        ({"country": "ru"}, True),
    ]:
        found = await ask(setting, workload, **conditions)
        assert found[id]["policyApplies"] is applies, conditions
        assert found[id]["analysisReasons"] == ("notSet" if applies else "location"), conditions


async def test_it_says_what_the_token_endpoint_does(setting: Setting, workload: Workload):
    """One evaluation, asked twice."""
    office = await setting.create(ip_location("198.51.100.0/24"), LOCATIONS)
    await setting.block(workload.service_principal_id, locations=["All"], exclude_locations=[office["id"]])
    await setting.block(workload.service_principal_id, risk=["high"])
    for level in ["none", "high"]:
        if level == "high":
            await graphs.confirm(setting.graph, workload.service_principal_id)
        for address in [OFFICE, ELSEWHERE]:
            found = await ask(
                setting, workload, ipAddress=address, servicePrincipalRiskLevel=level, applied_only=True
            )
            response = await setting.ask(workload, address)
            assert (response.status_code == 400) == bool(found), (level, address)
            if found:
                assert all(id in response.json()["claims"] for id in found)


async def test_asking_changes_nothing(setting: Setting):
    """No sign-in, no record of a change, no token that is challenged."""
    workload = await setting.workload("payroll", "Application.Read.All")
    id = await setting.block(workload.service_principal_id, risk=["high"])
    token = await setting.token(workload)
    assert (await ask(setting, workload, servicePrincipalRiskLevel="high"))[id]["policyApplies"]
    assert (await setting.call(token)).status_code == 200
    await setting.sign_ins(workload, 1)
    assert len(await setting.audits(id, "Add conditional access policy")) == 1


async def test_a_principal_of_another_tenant(setting: Setting):
    admin = setting.server.fabrikam.admin
    async with graphs.signed_in(setting.server, setting.server.fabrikam, admin.client_id, admin.secret) as other:
        theirs = await graphs.new_workload(other, sign_in_audience="AzureADMyOrg")
    ours = await setting.workload("ours")
    response = await setting.http.post(EVALUATE, json=question(theirs, ipAddress=OFFICE))
    assert response.status_code in (400, 404), response.text
    assert theirs.service_principal_id in response.json()["error"]["message"]
    assert (await setting.http.post(EVALUATE, json=question(ours, ipAddress=OFFICE))).status_code == 200


GOOD = {
    "signInIdentity": {"@odata.type": "#microsoft.graph.servicePrincipalSignIn", "servicePrincipalId": "ID"},
    "signInContext": {"@odata.type": "#microsoft.graph.applicationContext", "includeApplications": [GRAPH_APP_ID]},
    "signInConditions": {"ipAddress": OFFICE}, "appliedPoliciesOnly": False,
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("signInIdentity", ...),
        ("signInIdentity", {"servicePrincipalId": "ID"}),
        ("signInIdentity.servicePrincipalId", str(uuid.uuid4())),
        ("signInIdentity.servicePrincipalId", "nobody"),
        ("signInContext", ...),
        ("signInContext.includeApplications", []),
        ("signInContext", {"@odata.type": "#microsoft.graph.userActionContext", "userAction": "registerOrJoinDevices"}),
        ("signInConditions.ipAddress", "198.51.100"),
        ("signInConditions.country", "Norway"),
        ("signInConditions.servicePrincipalRiskLevel", "extreme"),
    ],
)
async def test_a_question_that_has_no_answer(setting: Setting, workload: Workload, path: str, value: object):
    good = changed(GOOD, "signInIdentity.servicePrincipalId", workload.service_principal_id)
    assert (await setting.http.post(EVALUATE, json=good)).status_code == 200
    if isinstance(value, dict) and value.get("servicePrincipalId") == "ID":
        value = value | {"servicePrincipalId": workload.service_principal_id}
    response = await setting.http.post(EVALUATE, json=changed(good, path, value))
    assert response.status_code in (400, 404), response.text
    assert response.json()["error"]["message"]


async def test_people_are_not_asked_about(setting: Setting):
    """§7: service principals only."""
    with pytest.raises(ODataError) as error:
        await setting.graph.identity.conditional_access.evaluate.post(
            EvaluatePostRequestBody(
                sign_in_identity=UserSignIn(user_id=str(uuid.uuid4())),
                sign_in_context=ApplicationContext(include_applications=[GRAPH_APP_ID]),
                sign_in_conditions=SignInConditions(), applied_policies_only=False,
            )
        )
    assert error.value.response_status_code == 400
    assert "userSignIn" in error.value.error.message


@pytest.mark.parametrize(
    ("permission", "suffices"),
    [
        ("Policy.Read.ConditionalAccess", True), ("Policy.Read.All", True),
        ("Policy.ReadWrite.ConditionalAccess", True), ("Application.Read.All", False),
    ],
)
async def test_who_may_ask(setting: Setting, workload: Workload, permission: str, suffices: bool):
    """§1."""
    caller = await setting.workload("caller", permission)
    async with Program(setting, caller) as program:
        body = EvaluatePostRequestBody(
            sign_in_identity=ServicePrincipalSignIn(service_principal_id=workload.service_principal_id),
            sign_in_context=ApplicationContext(include_applications=[GRAPH_APP_ID]),
            sign_in_conditions=SignInConditions(ip_address=OFFICE), applied_policies_only=False,
        )
        if suffices:
            assert (await program.graph.identity.conditional_access.evaluate.post(body)).value is not None
        else:
            with pytest.raises(ODataError) as error:
                await program.graph.identity.conditional_access.evaluate.post(body)
            assert error.value.response_status_code == 403


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("signInConditions", []),
        ("signInConditions.servicePrincipalRiskLevel", 3),
        ("signInConditions.servicePrincipalRiskLevel", ["high"]),
        ("signInConditions.ipAddress", 3),
        ("signInConditions.country", 7),
        ("signInConditions.country", "ZZ"),
        ("signInConditions.moon", "full"),
        ("appliedPoliciesOnly", "true"),
        ("moon", "full"),
    ],
    ids=str,
)
async def test_what_cannot_be_read_is_not_passed_over(setting: Setting, workload: Workload, path: str, value: object):
    """An answer to another question than was asked says `allowed` where a policy blocks."""
    await setting.block(workload.service_principal_id, risk=["high"])
    asked = question(workload, servicePrincipalRiskLevel="high", ipAddress=OFFICE, country="FR")
    assert (await setting.http.post(EVALUATE, json=asked)).status_code == 200
    response = await setting.http.post(EVALUATE, json=changed(asked, path, value))
    assert response.status_code == 400, response.text[:300]
    assert path.rpartition(".")[2] in response.json()["error"]["message"]


async def test_before_and_after_a_policy_is_enforced(setting: Setting):
    """How it is meant to be used: report, ask, enforce."""
    workload = await setting.workload("careful", "Application.Read.All")
    made = await setting.create(policy(workload.service_principal_id, state=REPORT_ONLY, risk=["high"]))
    assert (await ask(setting, workload, servicePrincipalRiskLevel="high"))[made["id"]]["policyApplies"]
    assert not (await ask(setting, workload, servicePrincipalRiskLevel="none"))[made["id"]]["policyApplies"]
    await graphs.confirm(setting.graph, workload.service_principal_id)
    async with Program(setting, workload) as program:
        assert await program.call()
        await setting.change(made["id"], {"state": "enabled"})
        with pytest.raises(ClientAuthenticationError, match="AADSTS53003"):
            await program.credential.get_token(GRAPH_SCOPE)
