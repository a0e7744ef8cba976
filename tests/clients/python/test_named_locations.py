"""Named locations: networks and countries that policies speak of.

What locations decide at sign-in is in test_conditional_access.py, and in the table of test_evaluation_semantics.py.
"""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator

import pytest
from msgraph import GraphServiceClient
from msgraph.generated.models.country_lookup_method_type import CountryLookupMethodType
from msgraph.generated.models.country_named_location import CountryNamedLocation
from msgraph.generated.models.i_pv4_cidr_range import IPv4CidrRange
from msgraph.generated.models.i_pv6_cidr_range import IPv6CidrRange
from msgraph.generated.models.ip_named_location import IpNamedLocation
from msgraph.generated.models.named_location import NamedLocation
from msgraph.generated.models.o_data_errors.o_data_error import ODataError

from support import graph as graphs
from support.access import LOCATIONS, Setting, country_location, ip_location, own_setting, policy
from support.graph import listed

# §3, limits.
RANGES_MAX = 2000
LOCATIONS_MAX = 195


@pytest.fixture(scope="module")
async def setting(database: str) -> AsyncIterator[Setting]:
    async with own_setting(database) as setting:
        yield setting


@pytest.fixture(scope="module")
def locations(setting: Setting):
    return setting.graph.identity.conditional_access.named_locations


async def test_a_network_from_its_first_to_its_last_moment(setting: Setting, locations):
    made = await locations.post(
        IpNamedLocation(
            display_name="Headquarters", is_trusted=False,
            ip_ranges=[IPv4CidrRange(cidr_address="12.34.221.11/22"), IPv6CidrRange(cidr_address="2001:db8::/48")],
        )
    )
    assert isinstance(made, IpNamedLocation) and made.is_trusted is False
    item = locations.by_named_location_id(made.id)
    found = await item.get()
    assert isinstance(found, IpNamedLocation)
    assert [(type(range), range.cidr_address) for range in found.ip_ranges] == [
        # §3: host bits need not be zero, and what was written is what is shown.
        (IPv4CidrRange, "12.34.221.11/22"), (IPv6CidrRange, "2001:db8::/48"),
    ]
    assert found.created_date_time
    await item.patch(IpNamedLocation(display_name="Old headquarters"))
    found = await item.get()
    assert (found.display_name, len(found.ip_ranges)) == ("Old headquarters", 2)
    assert found.modified_date_time >= found.created_date_time
    await item.delete()
    with pytest.raises(ODataError) as error:
        await item.get()
    assert error.value.response_status_code == 404


async def test_countries(setting: Setting, locations):
    made = await locations.post(CountryNamedLocation(display_name="Nordic", countries_and_regions=["SE", "NO"]))
    found = await locations.by_named_location_id(made.id).get()
    assert isinstance(found, CountryNamedLocation)
    assert found.countries_and_regions == ["SE", "NO"]
    assert found.country_lookup_method == CountryLookupMethodType.ClientIpAddress
    assert found.include_unknown_countries_and_regions is False


@pytest.mark.parametrize("version", ["v1.0", "beta"])
async def test_the_type_is_said_in_each_answer(setting: Setting, version: str):
    path = f"/{version}/identity/conditionalAccess/namedLocations"
    made = await setting.create(ip_location("192.0.2.0/24", trusted=True), path)
    assert made["@odata.type"] == "#microsoft.graph.ipNamedLocation"
    assert made["isTrusted"] is True
    assert made["ipRanges"] == [
        {"@odata.type": "#microsoft.graph.iPv4CidrRange", "cidrAddress": "192.0.2.0/24"},
    ]
    assert made["@odata.context"].endswith("/$entity")
    found = (await setting.http.get(path, params={"$filter": f"id eq '{made['id']}'"})).json()["value"]
    assert [one["@odata.type"] for one in found] == ["#microsoft.graph.ipNamedLocation"]


async def test_lists(setting: Setting):
    """§1: the filters that the documents show."""
    network = await setting.create(ip_location("192.0.2.0/24"), LOCATIONS)
    canada = await setting.create(country_location("CA", "US"), LOCATIONS)
    norway = await setting.create(country_location("NO"), LOCATIONS)
    own = {one["id"]: name for one, name in [(network, "network"), (canada, "canada"), (norway, "norway")]}
    for condition, expected in [
        ("isof('microsoft.graph.ipNamedLocation')", {"network"}),
        ("isof('microsoft.graph.countryNamedLocation')", {"canada", "norway"}),
        ("createdDateTime ge 2020-01-01T00:00:00Z", {"network", "canada", "norway"}),
        ("microsoft.graph.countryNamedLocation/countriesAndRegions/any(c: c eq 'CA')", {"canada"}),
        (f"displayName eq '{norway['displayName']}'", {"norway"}),
    ]:
        response = await setting.http.get(LOCATIONS, params={"$filter": condition})
        assert response.status_code == 200, (condition, response.text)
        assert {own[one["id"]] for one in response.json()["value"] if one["id"] in own} == expected, condition
    builder = setting.graph.identity.conditional_access.named_locations
    answer = await builder.get(graphs.query(builder, top=1, count=True))
    assert len(answer.value) == 1 and answer.odata_count >= 3 and answer.odata_next_link


NETWORK, COUNTRIES = ip_location("192.0.2.0/24"), country_location("NO")

INVALID = {
    "no type": {name: value for name, value in NETWORK.items() if name != "@odata.type"},
    "the type of their base": NETWORK | {"@odata.type": "#microsoft.graph.namedLocation"},
    "a type unheard of": NETWORK | {"@odata.type": "#microsoft.graph.compliantNetworkNamedLocation"},
    "no name": {name: value for name, value in NETWORK.items() if name != "displayName"},
    "no ranges": NETWORK | {"ipRanges": []},
    "no prefix": ip_location("192.0.2.1"),
    "no address": ip_location("192.0.2.0.1/24"),
    "a prefix too long": ip_location("192.0.2.0/33"),
    "a prefix too long for IPv6": ip_location("2001:db8::/129"),
    # §3: networks that are larger than /8 are no location.
    "half the Internet": ip_location("128.0.0.0/1"),
    "an address of the other kind": NETWORK | {
        "ipRanges": [{"@odata.type": "#microsoft.graph.iPv6CidrRange", "cidrAddress": "192.0.2.0/24"}],
    },
    "a range without type": NETWORK | {"ipRanges": [{"cidrAddress": "192.0.2.0/24"}]},
    "no countries": COUNTRIES | {"countriesAndRegions": []},
    "a country by its name": country_location("Norway"),
    "a country that is none": country_location("ZZ"),
    "a lookup by telephone": COUNTRIES | {"countryLookupMethod": "authenticatorAppGps"},
    "a network with countries": NETWORK | {"countriesAndRegions": ["NO"]},
    "trusted countries": COUNTRIES | {"isTrusted": True},
}


@pytest.mark.parametrize("case", INVALID)
async def test_what_is_no_location(setting: Setting, case: str):
    name = graphs.unique("invalid")
    document = INVALID[case] | ({"displayName": name} if "displayName" in INVALID[case] else {})
    response = await setting.http.post(LOCATIONS, json=document)
    assert response.status_code == 400, response.text
    assert response.json()["error"]["code"] == "BadRequest" and response.json()["error"]["message"]
    found = await setting.http.get(LOCATIONS, params={"$filter": f"displayName eq '{name}'"})
    assert found.json()["value"] == []


async def test_a_change_is_checked_as_well(setting: Setting):
    made = await setting.create(ip_location("192.0.2.0/24"), LOCATIONS)
    for change in [
        {"ipRanges": []}, {"ipRanges": ip_location("192.0.2.0/33")["ipRanges"]}, {"displayName": ""},
        {"@odata.type": "#microsoft.graph.countryNamedLocation", "countriesAndRegions": ["NO"]},
    ]:
        kind = {"@odata.type": "#microsoft.graph.ipNamedLocation"}
        response = await setting.http.patch(f"{LOCATIONS}/{made['id']}", json=kind | change)
        assert response.status_code == 400, (change, response.text)
    found = (await setting.http.get(f"{LOCATIONS}/{made['id']}")).json()
    assert (found["ipRanges"], found["modifiedDateTime"]) == (made["ipRanges"], None)


async def test_how_many_ranges(setting: Setting):
    ranges = [f"10.{number // 256}.{number % 256}.0/24" for number in range(RANGES_MAX + 1)]
    assert (await setting.http.post(LOCATIONS, json=ip_location(*ranges))).status_code == 400
    made = await setting.create(ip_location(*ranges[:RANGES_MAX]), LOCATIONS)
    assert len(made["ipRanges"]) == RANGES_MAX


async def test_how_many_locations(setting: Setting):
    """In the other tenant, which has none yet: one tenant's number does not count for another."""
    server, fabrikam = setting.server, setting.server.fabrikam
    async with graphs.signed_in(server, fabrikam, fabrikam.admin.client_id, fabrikam.admin.secret) as other:
        builder = other.identity.conditional_access.named_locations

        async def make(number: int) -> NamedLocation:
            return await builder.post(
                IpNamedLocation(
                    display_name=f"branch {number}", is_trusted=False,
                    ip_ranges=[IPv4CidrRange(cidr_address=f"10.0.{number}.0/24")],
                )
            )

        for begin in range(0, LOCATIONS_MAX, 15):
            await asyncio.gather(*(make(number) for number in range(begin, begin + 15)))
        with pytest.raises(ODataError) as error:
            await make(LOCATIONS_MAX)
        assert error.value.response_status_code == 400
        found = await listed(builder, top=200)
        assert len(found) == LOCATIONS_MAX
        await builder.by_named_location_id(found[0].id).delete()
        assert await make(LOCATIONS_MAX), "what was deleted does not count"


async def test_a_trusted_network_is_not_deleted_by_mistake(setting: Setting):
    """§3."""
    made = await setting.create(ip_location("192.0.2.0/24", trusted=True), LOCATIONS)
    response = await setting.http.delete(f"{LOCATIONS}/{made['id']}")
    assert response.status_code == 400, response.text
    kind = {"@odata.type": "#microsoft.graph.ipNamedLocation"}
    await setting.change(made["id"], kind | {"isTrusted": False}, LOCATIONS)
    await setting.delete(made["id"], LOCATIONS)


@pytest.mark.parametrize("side", ["include", "exclude"])
@pytest.mark.parametrize("state", ["enabled", "disabled"])
async def test_a_location_is_not_deleted_from_under_a_policy(setting: Setting, side: str, state: str):
    """Or the policy would say something else all at once: blocking everywhere, or nowhere."""
    workload = await setting.workload()
    made = await setting.create(ip_location("192.0.2.0/24"), LOCATIONS)
    where = {"locations": [made["id"]]} if side == "include" else {
        "locations": ["All"], "exclude_locations": [made["id"]],
    }
    id = await setting.block(workload.service_principal_id, state=state, **where)
    response = await setting.http.delete(f"{LOCATIONS}/{made['id']}")
    assert response.status_code == 400, response.text
    assert id in response.json()["error"]["message"]
    await setting.delete(id)
    await setting.delete(made["id"], LOCATIONS)


async def test_a_deleted_location_comes_back(setting: Setting):
    """§1."""
    made = await setting.create(ip_location("192.0.2.0/24"), LOCATIONS)
    await setting.delete(made["id"], LOCATIONS)
    deleted = "/v1.0/identity/conditionalAccess/deletedItems/namedLocations"
    assert made["id"] in {one["id"] for one in (await setting.http.get(deleted)).json()["value"]}
    response = await setting.http.post(f"{deleted}/{made['id']}/restore")
    assert response.status_code == 200, response.text
    found = (await setting.http.get(f"{LOCATIONS}/{made['id']}")).json()
    assert found["ipRanges"] == made["ipRanges"]


async def test_a_policy_that_comes_back_without_its_location(setting: Setting):
    """It is not restored as long as it would mean something else."""
    workload = await setting.workload()
    made = await setting.create(ip_location("192.0.2.0/24"), LOCATIONS)
    id = await setting.block(workload.service_principal_id, locations=[made["id"]])
    await setting.delete(id)
    await setting.delete(made["id"], LOCATIONS)
    deleted = "/v1.0/identity/conditionalAccess/deletedItems"
    response = await setting.http.post(f"{deleted}/policies/{id}/restore")
    assert response.status_code == 400 and made["id"] in response.json()["error"]["message"], response.text
    assert (await setting.http.post(f"{deleted}/namedLocations/{made['id']}/restore")).status_code == 200
    assert (await setting.http.post(f"{deleted}/policies/{id}/restore")).status_code == 200


async def test_each_change_of_a_location_is_recorded(setting: Setting):
    """Reference on audit operations, §3."""
    made = await setting.create(ip_location("192.0.2.0/24"), LOCATIONS)
    kind = {"@odata.type": "#microsoft.graph.ipNamedLocation"}
    await setting.change(made["id"], kind | {"ipRanges": ip_location("198.51.100.0/24")["ipRanges"]}, LOCATIONS)
    await setting.delete(made["id"], LOCATIONS)
    values = [(None, "192.0.2.0/24"), ("192.0.2.0/24", "198.51.100.0/24"), ("198.51.100.0/24", None)]
    for activity, (old, new) in zip(["Add", "Update", "Delete"], values, strict=True):
        [record] = await setting.audits(made["id"], f"{activity} named location")
        assert (record["loggedByService"], record["category"]) == ("Conditional Access", "Policy")
        assert record["operationType"] == activity and record["result"] == "success"
        assert record["initiatedBy"]["app"]["servicePrincipalId"] == setting.tenant.admin.service_principal_id
        [target] = [one for one in record["targetResources"] if one["id"] == made["id"]]
        assert target["displayName"] == made["displayName"]
        [property] = [one for one in target["modifiedProperties"] if one["displayName"] == "NamedLocation"]
        for value, expected in [(property["oldValue"], old), (property["newValue"], new)]:
            document = json.loads(value) if value else None
            assert (document and document["ipRanges"][0]["cidrAddress"]) == expected, (activity, value)


async def test_a_location_of_another_tenant(setting: Setting):
    """Is not there: neither to read nor for a policy to use."""
    made = await setting.create(ip_location("192.0.2.0/24"), LOCATIONS)
    server, fabrikam = setting.server, setting.server.fabrikam
    async with graphs.signed_in(server, fabrikam, fabrikam.admin.client_id, fabrikam.admin.secret) as other:
        item = other.identity.conditional_access.named_locations.by_named_location_id(made["id"])
        for attempt in [item.get(), item.delete(), item.patch(IpNamedLocation(display_name="theirs"))]:
            with pytest.raises(ODataError) as error:
                await attempt
            assert error.value.response_status_code == 404
        workload = await graphs.new_workload(other, sign_in_audience="AzureADMyOrg")
        token = await other_token(other)
        response = await setting.nobody.post(
            "/v1.0/identity/conditionalAccess/policies", headers={"Authorization": f"Bearer {token}"},
            json=policy(workload.service_principal_id, locations=[made["id"]]),
        )
        assert response.status_code == 400 and made["id"] in response.json()["error"]["message"]


async def other_token(graph: GraphServiceClient) -> str:
    adapter = graph.request_adapter
    return await adapter._authentication_provider.access_token_provider.get_authorization_token(adapter.base_url)


async def test_a_location_that_is_not_there(setting: Setting, locations):
    for attempt in [
        locations.by_named_location_id(str(uuid.uuid4())).get(),
        locations.by_named_location_id(str(uuid.uuid4())).delete(),
    ]:
        with pytest.raises(ODataError) as error:
            await attempt
        assert error.value.response_status_code == 404
