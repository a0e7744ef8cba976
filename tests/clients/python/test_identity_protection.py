"""Identity Protection for workload identities, through Microsoft Graph's client."""

import asyncio
import json
import uuid
from urllib.parse import urlsplit

import httpx
import pytest
from msgraph import GraphServiceClient
from msgraph.generated.models.activity_type import ActivityType
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.risk_detail import RiskDetail
from msgraph.generated.models.risk_detection_timing_type import RiskDetectionTimingType
from msgraph.generated.models.risk_level import RiskLevel
from msgraph.generated.models.risk_state import RiskState
from msgraph.generated.models.service_principal import ServicePrincipal
from msgraph_core.tasks.page_iterator import PageIterator

from support import graph as graphs
from support.graph import Workload, confirm, dismiss, listed, query
from support.server import Server, Tenant

HERD = 30
PAGE = 7


@pytest.fixture(scope="module")
async def compromised(graph: GraphServiceClient) -> Workload:
    """A workload that an administrator has confirmed as compromised."""
    workload = await graphs.new_workload(graph, "compromised")
    await confirm(graph, workload.service_principal_id)
    return workload


@pytest.fixture(scope="module")
async def dismissed(graph: GraphServiceClient) -> Workload:
    """A workload that was confirmed as compromised, and is no risk any more."""
    workload = await graphs.new_workload(graph, "dismissed")
    await confirm(graph, workload.service_principal_id)
    await dismiss(graph, workload.service_principal_id)
    return workload


@pytest.fixture(scope="module")
async def herd(graph: GraphServiceClient) -> dict[str, str]:
    """More risky service principals than a page holds: ids to names, which begin alike."""
    prefix = graphs.unique("herd")

    async def member(number: int) -> ServicePrincipal:
        application = await graphs.new_application(graph, f"{prefix}-{number:02}")
        return await graphs.new_service_principal(graph, application)

    members = await asyncio.gather(*(member(number) for number in range(HERD)))
    await confirm(graph, *(principal.id for principal in members))
    return {principal.id: principal.display_name for principal in members}


def risky(graph: GraphServiceClient, workload: Workload):
    return graph.identity_protection.risky_service_principals.by_risky_service_principal_id(
        workload.service_principal_id
    )


# The risky service principal.


async def test_confirming_makes_it_risky(graph: GraphServiceClient, compromised: Workload):
    found = await risky(graph, compromised).get()
    assert found.id == compromised.service_principal_id
    assert found.app_id == compromised.app_id
    assert found.display_name == compromised.name
    assert found.is_enabled is True, "confirming does not disable"
    assert found.risk_level == RiskLevel.High
    assert found.risk_state == RiskState.ConfirmedCompromised
    assert found.risk_detail == RiskDetail.AdminConfirmedServicePrincipalCompromised
    assert found.service_principal_type == "Application"
    assert found.risk_last_updated_date_time is not None
    assert found.is_processing is not None


async def test_dismissing_takes_the_risk_away_and_keeps_it_listed(graph: GraphServiceClient, dismissed: Workload):
    found = await risky(graph, dismissed).get()
    assert found.risk_level == RiskLevel.None_
    assert found.risk_state == RiskState.Dismissed
    assert found.risk_detail == RiskDetail.AdminDismissedAllRiskForServicePrincipal


async def test_a_workload_that_nobody_suspects_is_not_listed(graph: GraphServiceClient, workload: Workload):
    with pytest.raises(ODataError) as error:
        await risky(graph, workload).get()
    assert error.value.response_status_code == 404
    builder = graph.identity_protection.risky_service_principals
    assert await listed(builder, filter=f"id eq '{workload.service_principal_id}'") == []


async def test_a_disabled_service_principal_is_shown_as_such(graph: GraphServiceClient, workload: Workload):
    await confirm(graph, workload.service_principal_id)
    await graph.service_principals.by_service_principal_id(workload.service_principal_id).patch(
        ServicePrincipal(account_enabled=False)
    )

    async def is_disabled() -> bool:
        return (await risky(graph, workload).get()).is_enabled is False

    assert await graphs.eventually(is_disabled)


async def test_confirming_twice_is_confirming_once(graph: GraphServiceClient, workload: Workload):
    """Clients repeat a request whose answer was lost."""
    await confirm(graph, workload.service_principal_id)
    await confirm(graph, workload.service_principal_id)
    assert (await risky(graph, workload).get()).risk_state == RiskState.ConfirmedCompromised
    assert len(await detections(graph, workload)) == 1


async def test_confirming_again_after_a_dismissal(graph: GraphServiceClient, workload: Workload):
    await confirm(graph, workload.service_principal_id)
    await dismiss(graph, workload.service_principal_id)
    await confirm(graph, workload.service_principal_id)
    assert (await risky(graph, workload).get()).risk_level == RiskLevel.High


# Lists.


async def test_the_list_holds_both(graph: GraphServiceClient, compromised: Workload, dismissed: Workload):
    found = {item.id for item in await listed(graph.identity_protection.risky_service_principals, top=500)}
    assert {compromised.service_principal_id, dismissed.service_principal_id} <= found


@pytest.mark.parametrize(
    ("condition", "has_compromised", "has_dismissed"),
    [
        ("riskLevel eq 'high'", True, False),
        ("riskLevel ne 'high'", False, True),
        ("riskState eq 'dismissed'", False, True),
        ("riskState in ('confirmedCompromised', 'dismissed')", True, True),
        ("riskLevel eq microsoft.graph.riskLevel'high'", True, False),
        ("riskDetail eq 'adminConfirmedServicePrincipalCompromised'", True, False),
        ("startswith(displayName, 'compromised-')", True, False),
        ("not (riskLevel eq 'high') and isEnabled eq true", False, True),
        ("riskLastUpdatedDateTime ge 2020-01-01T00:00:00Z", True, True),
        ("riskLastUpdatedDateTime lt 2020-01-01T00:00:00Z", False, False),
    ],
)
async def test_filters(
    graph: GraphServiceClient, compromised: Workload, dismissed: Workload, condition: str, has_compromised: bool,
    has_dismissed: bool,
):
    builder = graph.identity_protection.risky_service_principals
    found = {item.id for item in await listed(builder, filter=condition, top=500)}
    assert (compromised.service_principal_id in found) == has_compromised
    assert (dismissed.service_principal_id in found) == has_dismissed


async def test_select(graph: GraphServiceClient, compromised: Workload):
    item = risky(graph, compromised)
    found = await item.get(query(item, select=["id", "riskLevel"]))
    assert found.risk_level == RiskLevel.High
    assert found.display_name is None and found.app_id is None


async def test_count(graph: GraphServiceClient, herd: dict[str, str]):
    prefix = next(iter(herd.values()))[: len("herd-") + 8]
    builder = graph.identity_protection.risky_service_principals
    answer = await builder.get(query(builder, filter=f"startswith(displayName,'{prefix}')", count=True, top=PAGE))
    assert len(answer.value) == PAGE
    assert answer.odata_count == HERD
    assert await builder.count.get(query(builder.count, filter=f"startswith(displayName,'{prefix}')")) == HERD


@pytest.mark.parametrize("top", [0, 501])
async def test_a_page_has_from_1_to_500_items(graph: GraphServiceClient, top: int):
    with pytest.raises(ODataError) as error:
        await listed(graph.identity_protection.risky_service_principals, top=top)
    assert error.value.response_status_code == 400
    assert f"'{top}'" in error.value.error.message


async def test_all_pages(graph: GraphServiceClient, herd: dict[str, str]):
    builder = graph.identity_protection.risky_service_principals
    first = await builder.get(query(builder, top=PAGE))
    assert len(first.value) == PAGE and first.odata_next_link
    found: list[str] = []

    def collect(item) -> bool:
        found.append(item.id)
        return True

    await PageIterator(first, graph.request_adapter).iterate(collect)
    assert len(found) == len(set(found)), "nothing is listed twice"
    assert set(herd) <= set(found), "nothing is left out"


async def test_the_next_link_keeps_what_was_asked_for(
    http: httpx.AsyncClient, server: Server, bearer: dict[str, str], herd: dict[str, str]
):
    prefix = next(iter(herd.values()))[: len("herd-") + 8]
    link = (
        f"{server.authority}/v1.0/identityProtection/riskyServicePrincipals"
        f"?$filter=startswith(displayName,'{prefix}')&$select=id,displayName&$top={PAGE}"
    )
    pages = []
    while link and len(pages) <= HERD:
        page = (await http.get(link, headers=bearer)).json()
        pages.append(page["value"])
        link = page.get("@odata.nextLink")
        assert link is None or urlsplit(link)[:2] == urlsplit(server.authority)[:2]
    assert [len(page) for page in pages] == [7, 7, 7, 7, 2], "no page is empty, and the last has no link"
    assert {item["id"]: item["displayName"] for page in pages for item in page} == herd
    assert all("riskLevel" not in item for page in pages for item in page)


async def test_beta_has_one_property_more(
    http: httpx.AsyncClient, bearer: dict[str, str], compromised: Workload
):
    path = f"identityProtection/riskyServicePrincipals/{compromised.service_principal_id}"
    v1, beta = [(await http.get(f"/{version}/{path}", headers=bearer)).json() for version in ["v1.0", "beta"]]
    assert "accountEnabled" not in v1
    assert beta["accountEnabled"] == v1["isEnabled"]


async def test_a_doubled_slash_is_one(http: httpx.AsyncClient, bearer: dict[str, str]):
    """The Graph client for Python sends it when its base URL ends in a slash, as its own default does."""
    response = await http.get("/v1.0//identityProtection/riskyServicePrincipals?%24top=1", headers=bearer)
    assert response.status_code == 200


# History.


async def test_history_tells_what_was_done_and_by_whom(
    graph: GraphServiceClient, contoso: Tenant, dismissed: Workload
):
    history = (await risky(graph, dismissed).history.get()).value
    found = {item.risk_state: item for item in history}
    assert {RiskState.ConfirmedCompromised, RiskState.Dismissed} <= set(found)
    confirmation, dismissal = found[RiskState.ConfirmedCompromised], found[RiskState.Dismissed]
    assert confirmation.risk_level == RiskLevel.High and dismissal.risk_level == RiskLevel.None_
    assert confirmation.activity.detail == RiskDetail.AdminConfirmedServicePrincipalCompromised
    assert dismissal.activity.detail == RiskDetail.AdminDismissedAllRiskForServicePrincipal
    assert confirmation.activity.risk_event_types == ["adminConfirmedServicePrincipalCompromised"]
    for item in [confirmation, dismissal]:
        assert item.initiated_by == contoso.admin.service_principal_id
        assert item.app_id == dismissed.app_id and item.display_name == dismissed.name
        assert str(item.additional_data["servicePrincipalId"]) == dismissed.service_principal_id
    assert confirmation.risk_last_updated_date_time <= dismissal.risk_last_updated_date_time
    assert len({item.id for item in history}) == len(history)


async def test_one_item_of_the_history(graph: GraphServiceClient, dismissed: Workload):
    history = risky(graph, dismissed).history
    item = (await history.get()).value[0]
    found = await history.by_risky_service_principal_history_item_id(item.id).get()
    assert (found.id, found.risk_state) == (item.id, item.risk_state)


async def test_the_history_can_be_counted(graph: GraphServiceClient, dismissed: Workload):
    history = risky(graph, dismissed).history
    assert await history.count.get() == len((await history.get()).value)


# Detections.


async def detections(graph: GraphServiceClient, workload: Workload) -> list:
    return await listed(
        graph.identity_protection.service_principal_risk_detections,
        filter=f"servicePrincipalId eq '{workload.service_principal_id}'",
    )


async def test_confirming_is_a_detection(graph: GraphServiceClient, compromised: Workload):
    [found] = await detections(graph, compromised)
    assert found.risk_event_type == "adminConfirmedServicePrincipalCompromised"
    assert found.risk_state == RiskState.ConfirmedCompromised
    assert found.risk_level == RiskLevel.High
    assert found.risk_detail == RiskDetail.AdminConfirmedServicePrincipalCompromised
    assert found.detection_timing_type == RiskDetectionTimingType.Offline
    assert found.activity == ActivityType.ServicePrincipal
    assert found.source == "IdentityProtection"
    assert found.app_id == compromised.app_id
    assert found.service_principal_id == compromised.service_principal_id
    assert found.service_principal_display_name == compromised.name
    assert found.key_ids == []
    assert found.location is None and found.ip_address is None
    assert found.activity_date_time <= found.detected_date_time <= found.last_updated_date_time
    more = {entry["Key"]: entry["Value"] for entry in json.loads(found.additional_info)}
    assert "alertUrl" in more and "mitreTechniques" in more


async def test_dismissing_reaches_the_detection(graph: GraphServiceClient, dismissed: Workload):
    [found] = await detections(graph, dismissed)
    assert found.risk_state == RiskState.Dismissed


async def test_one_detection(graph: GraphServiceClient, compromised: Workload):
    [listed_one] = await detections(graph, compromised)
    builder = graph.identity_protection.service_principal_risk_detections
    found = await builder.by_service_principal_risk_detection_id(listed_one.id).get()
    assert (found.id, found.app_id) == (listed_one.id, compromised.app_id)


async def test_filters_of_detections(graph: GraphServiceClient, compromised: Workload):
    builder = graph.identity_protection.service_principal_risk_detections
    for condition in [
        "riskEventType eq 'adminConfirmedServicePrincipalCompromised'",
        "riskEventType eq 'leakedCredentials' or riskLevel eq 'high'",
        "detectedDateTime ge 2020-01-01T00:00:00Z",
    ]:
        condition = f"({condition}) and servicePrincipalId eq '{compromised.service_principal_id}'"
        assert len(await listed(builder, filter=condition)) == 1, condition
    assert await listed(builder, filter=f"requestId eq '{uuid.uuid4()}'") == []


# What is refused.


@pytest.mark.parametrize("action", [confirm, dismiss], ids=lambda action: action.__name__)
class TestActions:
    async def test_nobody_known(self, graph: GraphServiceClient, action):
        with pytest.raises(ODataError) as error:
            await action(graph, str(uuid.uuid4()))
        assert error.value.response_status_code == 404

    async def test_more_than_60_at_once(self, graph: GraphServiceClient, action):
        with pytest.raises(ODataError) as error:
            await action(graph, *(str(uuid.uuid4()) for _ in range(61)))
        assert error.value.response_status_code == 400

    async def test_nobody_named(self, graph: GraphServiceClient, action):
        with pytest.raises(ODataError) as error:
            await action(graph)
        assert error.value.response_status_code == 400


async def test_who_is_known_is_confirmed_although_others_are_not(graph: GraphServiceClient, workload: Workload):
    await confirm(graph, str(uuid.uuid4()), workload.service_principal_id)
    assert (await risky(graph, workload).get()).risk_state == RiskState.ConfirmedCompromised


async def test_the_long_name_of_an_action(http: httpx.AsyncClient, bearer: dict[str, str], workload: Workload):
    response = await http.post(
        "/v1.0/identityProtection/riskyServicePrincipals/microsoft.graph.confirmCompromised",
        json={"servicePrincipalIds": [workload.service_principal_id]}, headers=bearer,
    )
    assert response.status_code == 204
    assert response.content == b"" and "content-type" not in response.headers
