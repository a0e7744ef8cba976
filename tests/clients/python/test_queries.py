"""Query options on directory objects: filters, search, order, pages, counts."""

import httpx
import pytest
from msgraph import GraphServiceClient
from msgraph.generated.models.application import Application
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph_core.tasks.page_iterator import PageIterator

from support import graph as graphs
from support.graph import EVENTUAL, listed, query, with_headers


@pytest.fixture(scope="module")
def prefix() -> str:
    return graphs.unique("query")


@pytest.fixture(scope="module")
async def family(graph: GraphServiceClient, prefix: str) -> dict[str, Application]:
    """Five applications whose names begin alike; the last has a quote in its name."""
    made = {}
    for number, letter in enumerate("abcd"):
        name = f"{prefix} {letter}"
        made[letter] = await graph.applications.post(
            Application(display_name=name, tags=["even"] if number % 2 == 0 else ["odd"])
        )
    made["e"] = await graph.applications.post(Application(display_name=f"{prefix} e's own"))
    return made


def names(found: list[Application], prefix: str) -> list[str]:
    return [item.display_name.removeprefix(prefix).strip() for item in found]


async def test_equal(graph: GraphServiceClient, prefix: str, family: dict[str, Application]):
    found = await listed(graph.applications, filter=f"displayName eq '{prefix} b'")
    assert [item.id for item in found] == [family["b"].id]
    found = await listed(graph.applications, filter=f"appId eq '{family['c'].app_id}'")
    assert [item.id for item in found] == [family["c"].id]


async def test_a_quote_is_doubled(graph: GraphServiceClient, prefix: str, family: dict[str, Application]):
    found = await listed(graph.applications, filter=f"displayName eq '{prefix} e''s own'")
    assert [item.id for item in found] == [family["e"].id]


async def test_starts_with(graph: GraphServiceClient, prefix: str, family: dict[str, Application]):
    found = await listed(graph.applications, filter=f"startswith(displayName, '{prefix}')")
    assert sorted(names(found, prefix)) == ["a", "b", "c", "d", "e's own"]


async def test_in(graph: GraphServiceClient, prefix: str, family: dict[str, Application]):
    found = await listed(graph.applications, filter=f"displayName in ('{prefix} a', '{prefix} d')")
    assert sorted(names(found, prefix)) == ["a", "d"]


async def test_any(graph: GraphServiceClient, prefix: str, family: dict[str, Application]):
    found = await listed(
        graph.applications, filter=f"tags/any(t: t eq 'odd') and startswith(displayName, '{prefix}')"
    )
    assert sorted(names(found, prefix)) == ["b", "d"]


async def test_by_a_name_of_the_service_principal(graph: GraphServiceClient, workload: graphs.Workload):
    found = await listed(
        graph.service_principals, filter=f"servicePrincipalNames/any(n: n eq '{workload.app_id}')"
    )
    assert [item.id for item in found] == [workload.service_principal_id]


async def test_negations_are_advanced(graph: GraphServiceClient, prefix: str, family: dict[str, Application]):
    condition = f"startswith(displayName, '{prefix}') and displayName ne '{prefix} a'"
    found = await listed(graph.applications, filter=condition, count=True, headers=EVENTUAL)
    assert sorted(names(found, prefix)) == ["b", "c", "d", "e's own"]


async def test_order(graph: GraphServiceClient, prefix: str, family: dict[str, Application]):
    condition = f"startswith(displayName, '{prefix}')"
    found = await listed(
        graph.applications, filter=condition, orderby=["displayName desc"], count=True, headers=EVENTUAL
    )
    assert names(found, prefix) == ["e's own", "d", "c", "b", "a"]


async def test_search(graph: GraphServiceClient, prefix: str, family: dict[str, Application]):
    found = await listed(graph.applications, search=f'"displayName:{prefix}"', count=True, headers=EVENTUAL)
    assert sorted(names(found, prefix)) == ["a", "b", "c", "d", "e's own"]


async def test_search_among_what_was_deleted(graph: GraphServiceClient, prefix: str):
    made = [await graph.applications.post(Application(display_name=f"{prefix} gone {name}")) for name in "ab"]
    for one in made:
        await graph.applications.by_application_id(one.id).delete()
    deleted = graph.directory.deleted_items.graph_application
    found = await listed(deleted, search=f'"displayName:{prefix} gone a"', headers=EVENTUAL)
    assert [one.id for one in found] == [made[0].id]
    count = deleted.count
    assert await count.get(query(count, search=f'"displayName:{prefix} gone"', headers=EVENTUAL)) == 2


@pytest.mark.parametrize("end", ["9999-12-31T23:59:59.9999999Z", "9999-12-31T23:59:59Z", "9999-12-31"])
async def test_until_for_ever(graph: GraphServiceClient, prefix: str, family: dict[str, Application], end: str):
    """What clients send for an open end."""
    condition = f"createdDateTime le {end} and startswith(displayName, '{prefix}')"
    found = await listed(graph.applications, filter=condition, count=True, headers=EVENTUAL)
    assert len(found) == 5


async def test_search_without_its_header(graph: GraphServiceClient, prefix: str):
    with pytest.raises(ODataError) as error:
        await listed(graph.applications, search=f'"displayName:{prefix}"')
    assert error.value.response_status_code == 400
    assert error.value.error.code == "Request_UnsupportedQuery"


async def test_count_beside_the_list(graph: GraphServiceClient, prefix: str, family: dict[str, Application]):
    options = query(
        graph.applications, filter=f"startswith(displayName, '{prefix}')", count=True, top=2, headers=EVENTUAL
    )
    answer = await graph.applications.get(options)
    assert (answer.odata_count, len(answer.value)) == (5, 2)


async def test_count_alone(
    graph: GraphServiceClient, http: httpx.AsyncClient, bearer: dict[str, str], prefix: str,
    family: dict[str, Application],
):
    count = graph.applications.count
    assert await count.get(query(count, filter=f"startswith(displayName,'{prefix}')", headers=EVENTUAL)) == 5
    response = await http.get("/v1.0/servicePrincipals/$count", headers=bearer | EVENTUAL)
    assert response.headers["content-type"].startswith("text/plain")
    assert int(response.text) > 0


async def test_count_alone_needs_its_header(http: httpx.AsyncClient, bearer: dict[str, str]):
    response = await http.get("/v1.0/applications/$count", headers=bearer)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "Request_BadRequest"


async def test_select(http: httpx.AsyncClient, bearer: dict[str, str], family: dict[str, Application]):
    response = await http.get(f"/v1.0/applications/{family['a'].id}?$select=id,displayName", headers=bearer)
    assert {name for name in response.json() if "@" not in name} == {"id", "displayName"}


async def test_pages(graph: GraphServiceClient, prefix: str, family: dict[str, Application]):
    first = await graph.applications.get(
        query(graph.applications, filter=f"startswith(displayName, '{prefix}')", top=2)
    )
    found: list[Application] = []

    def collect(item: Application) -> bool:
        found.append(item)
        return True

    await PageIterator(first, graph.request_adapter).iterate(collect)
    assert sorted(names(found, prefix)) == ["a", "b", "c", "d", "e's own"]


@pytest.mark.parametrize("top", [0, 1000])
async def test_a_page_has_at_most_999_items(graph: GraphServiceClient, top: int):
    with pytest.raises(ODataError) as error:
        await listed(graph.applications, top=top)
    assert error.value.response_status_code == 400


@pytest.mark.parametrize(
    "condition", ["displayName eq", "displayName like 'x'", "noSuchProperty eq 'x'", "displayName eq 'open", "(a"]
)
async def test_a_filter_that_cannot_be_read(graph: GraphServiceClient, condition: str):
    with pytest.raises(ODataError) as error:
        await listed(graph.applications, filter=condition)
    assert error.value.response_status_code == 400
    assert error.value.error.code in {"BadRequest", "Request_BadRequest", "Request_UnsupportedQuery"}


async def test_names_of_options_may_be_encoded(http: httpx.AsyncClient, bearer: dict[str, str], family: dict):
    path = f"/v1.0/applications?%24filter=appId%20eq%20'{family['a'].app_id}'&%24select=id"
    assert [item["id"] for item in (await http.get(path, headers=bearer)).json()["value"]] == [family["a"].id]


async def test_the_header_of_advanced_queries_harms_nobody(graph: GraphServiceClient, family: dict[str, Application]):
    item = graph.applications.by_application_id(family["a"].id)
    assert (await item.get(with_headers(EVENTUAL))).id == family["a"].id
