"""Two tenants of one server: whatever one of them asks, it neither sees nor changes anything of the other.

Contoso, with every permission, goes after Fabrikam's objects on every route of the OpenAPI documents. The fixture
`untouched` compares all that Fabrikam can see of itself before and after.
"""

import base64
import itertools
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import httpx
import pytest

from support import graph as graphs
from support import tokens
from support.access import REPORT_ONLY, ip_location, policy
from support.keys import ASSERTION_TYPE, Key
from support.refusals import assert_refused
from support.server import Server, Tenant

VERSIONS = ["v1.0", "beta"]
GRAPH_APP_ID = graphs.GRAPH_APP_ID
# Roles that read.
GLOBAL_READER = "f2ef992c-3afb-46b9-b7cf-a126ee74c451"
SECURITY_READER = "5d6b6bb7-de71-4623-b4af-96380a352509"
# The same for all tenants: descriptions, not data.
NOT_OF_A_TENANT = (
    "/roleManagement/directory/roleDefinitions", "/directoryRoles", "/directoryRoleTemplates",
    "/identity/conditionalAccess/templates",
)
EVENTUAL = {"ConsistencyLevel": "eventual"}


@dataclass
class Inside:
    """A tenant as its own administrator sees it: a token, and objects of each kind."""

    tenant: Tenant
    bearer: str
    http: httpx.AsyncClient
    mark: str = ""  # in the names of all its objects
    ids: dict[str, list[str]] = field(default_factory=dict)  # by the segment of a path that they stand behind
    app_ids: list[str] = field(default_factory=list)
    user_principal_name: str = ""
    unique_name: str = ""
    secret: str = ""
    secret_id: str = ""
    shared_app_id: str = ""  # an application that other tenants may use

    async def ask(self, method: str, path: str, body: object = None, **headers: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.bearer}"} | EVENTUAL | headers
        url = path if path.startswith("https://") else f"/{path.lstrip('/')}"
        return await self.http.request(method, url, json=body, headers=headers)

    async def make(self, method: str, path: str, body: object = None) -> dict:
        answer = await self.ask(method, f"v1.0/{path}", body)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else {}

    def id(self, segment: str) -> str:
        return self.ids[segment][0]

    @property
    def traces(self) -> list[str]:
        """Texts that nobody outside may be shown."""
        texts = {self.mark, self.secret_id, self.tenant.domain, self.tenant.name, self.tenant.admin.object_id}
        # Not the client id of its administrator: other tests ask for tokens with it in the wrong tenant, whose log has it.
        texts |= {self.tenant.admin.service_principal_id, *self.app_ids}
        texts |= {id for segment, ids in self.ids.items() for id in ids if segment != "organization"}
        return sorted(text for text in texts if text)


async def populate(inside: Inside) -> Inside:
    """One object of each kind, linked with each other, and their traces in the logs."""
    inside.mark = graphs.unique(f"only{inside.tenant.name}")
    mark, make = inside.mark, inside.make
    graph = await make("GET", f"servicePrincipals(appId='{GRAPH_APP_ID}')?$select=id,appRoles")
    inside.unique_name = mark
    application = await make(
        "POST", "applications",
        {"displayName": mark, "uniqueName": mark, "signInAudience": "AzureADMyOrg", "notes": mark,
         "identifierUris": [f"api://{mark}"]},
    )
    principal = await make("POST", "servicePrincipals", {"appId": application["appId"]})
    secret = await make(
        "POST", f"applications/{application['id']}/addPassword", {"passwordCredential": {"displayName": mark}}
    )
    await make(
        "POST", f"servicePrincipals/{principal['id']}/addPassword", {"passwordCredential": {"displayName": mark}}
    )
    federated = {"name": mark, "issuer": f"https://{mark}.example", "subject": mark, "audiences": ["any"]}
    of_application = await make("POST", f"applications/{application['id']}/federatedIdentityCredentials", federated)
    of_principal = await make("POST", f"servicePrincipals/{principal['id']}/federatedIdentityCredentials", federated)
    inside.user_principal_name = f"{mark.lower()}@{inside.tenant.domain}"
    user = await make(
        "POST", "users",
        {"displayName": mark, "userPrincipalName": inside.user_principal_name, "mailNickname": mark,
         "accountEnabled": True, "passwordProfile": {"password": "3x!" + mark}},
    )
    for path in [f"applications/{application['id']}", f"servicePrincipals/{principal['id']}"]:
        await make("POST", f"{path}/owners/$ref", reference(inside, user["id"]))
    assignment = await make(
        "POST", f"servicePrincipals/{principal['id']}/appRoleAssignments",
        {"principalId": principal["id"], "resourceId": graph["id"], "appRoleId": graph["appRoles"][0]["id"]},
    )
    grant = await make(
        "POST", "oauth2PermissionGrants",
        {"clientId": principal["id"], "resourceId": graph["id"], "consentType": "Principal",
         "principalId": user["id"], "scope": mark},
    )
    role = await make(
        "POST", "roleManagement/directory/roleAssignments",
        {"principalId": principal["id"], "roleDefinitionId": SECURITY_READER, "directoryScopeId": "/"},
    )
    await make(
        "POST", "identityProtection/riskyServicePrincipals/confirmCompromised",
        {"servicePrincipalIds": [principal["id"]]},
    )
    history = await make("GET", f"identityProtection/riskyServicePrincipals/{principal['id']}/history")
    of_principal_only = f"$filter=servicePrincipalId eq '{principal['id']}'"
    detections = await make("GET", f"identityProtection/servicePrincipalRiskDetections?{of_principal_only}")
    assert history["value"] and detections["value"]
    deleted = await make("POST", "applications", {"displayName": f"{mark} deleted"})
    deleted_principal = await make("POST", "servicePrincipals", {"appId": deleted["appId"]})
    await make("DELETE", f"servicePrincipals/{deleted_principal['id']}")
    await make("DELETE", f"applications/{deleted['id']}")
    rules = "identity/conditionalAccess"
    locations = [await make("POST", f"{rules}/namedLocations", ip_location("192.0.2.0/24", name=mark)) for _ in range(2)]
    # It only reports: what the tests do goes on.
    about = policy(principal["id"], state=REPORT_ONLY, name=mark)
    policies = [await make("POST", f"{rules}/policies", about) for _ in range(2)]
    await make("DELETE", f"{rules}/namedLocations/{locations[1]['id']}")
    await make("DELETE", f"{rules}/policies/{policies[1]['id']}")
    shared = await make(
        "POST", "applications", {"displayName": f"{mark} shared", "signInAudience": "AzureADMultipleOrgs"}
    )
    shared_principal = await make("POST", "servicePrincipals", {"appId": shared["appId"]})
    inside.shared_app_id = shared["appId"]
    inside.app_ids = [application["appId"], deleted["appId"], shared["appId"]]
    inside.secret, inside.secret_id = secret["secretText"], secret["keyId"]
    answer = await tokens.post(
        inside.http, _server_of(inside), inside.tenant, tokens.form(application["appId"], client_secret="wrong")
    )
    sign_in = answer.headers["x-ms-request-id"]
    audits = await make("GET", "auditLogs/directoryAudits?$top=1")
    skus = await make("GET", "subscribedSkus")
    organization = await make("GET", "organization")
    inside.ids = {
        "applications": [application["id"], shared["id"]],
        "servicePrincipals": [principal["id"], shared_principal["id"]],
        "applications/federatedIdentityCredentials": [of_application["id"]],
        "servicePrincipals/federatedIdentityCredentials": [of_principal["id"]],
        "owners": [user["id"]],
        "appRoleAssignments": [assignment["id"]],
        "oauth2PermissionGrants": [grant["id"]],
        "roleAssignments": [role["id"]],
        "users": [user["id"]],
        "deletedItems": [deleted["id"], deleted_principal["id"]],
        "policies": [policies[0]["id"]],
        "namedLocations": [locations[0]["id"]],
        "deletedItems/policies": [policies[1]["id"]],
        "deletedItems/namedLocations": [locations[1]["id"]],
        "directoryObjects": [principal["id"], application["id"], user["id"]],
        "riskyServicePrincipals": [principal["id"]],
        "history": [history["value"][0]["id"]],
        "servicePrincipalRiskDetections": [detections["value"][0]["id"]],
        "directoryAudits": [audits["value"][0]["id"]],
        "signIns": [sign_in],
        "organization": [organization["value"][0]["id"]],
        "subscribedSkus": [skus["value"][0]["id"]],
    }
    return inside


_SERVERS: dict[int, Server] = {}


def _server_of(inside: Inside) -> Server:
    return _SERVERS[id(inside.http)]


def reference(inside: Inside, object_id: str) -> dict[str, str]:
    return {"@odata.id": f"https://graph.microsoft.com/v1.0/directoryObjects/{object_id}"}


async def enter(http: httpx.AsyncClient, server: Server, tenant: Tenant) -> Inside:
    """A tenant with the token of its administrating application, nothing made yet."""
    _SERVERS[id(http)] = server
    bearer = await tokens.token(http, server, tenant, tenant.admin.client_id, tenant.admin.secret)
    return Inside(tenant, bearer, http)


@pytest.fixture(scope="module")
async def us(http: httpx.AsyncClient, server: Server, contoso: Tenant) -> Inside:
    """Contoso, from where all attempts are made."""
    return await populate(await enter(http, server, contoso))


@pytest.fixture(scope="module")
async def them(http: httpx.AsyncClient, server: Server, fabrikam: Tenant) -> Inside:
    """Fabrikam, which must not notice them."""
    return await populate(await enter(http, server, fabrikam))


@dataclass(frozen=True)
class Route:
    version: str
    method: str
    path: str

    @property
    def parameters(self) -> list[str]:
        """The segments that ids stand behind, in order."""
        segments = self.path.strip("/").split("/")
        return [segments[at - 1] for at, segment in enumerate(segments) if segment.startswith("{")]

    def ids(self, inside: Inside) -> list[list[str]]:
        """For each parameter the ids that fit."""
        return [inside.ids[self.key(segment)] for segment in self.parameters]

    def key(self, segment: str) -> str:
        if segment == "federatedIdentityCredentials":
            return f"{self.path.strip('/').split('/')[0]}/{segment}"
        if "conditionalAccess/deletedItems" in self.path:
            return f"deletedItems/{segment}"
        return {"appRoleAssignedTo": "appRoleAssignments", "conditionalAccessPolicies": "policies"}.get(segment, segment)

    def fill(self, *ids: str) -> str:
        values = iter(ids)
        segments = [next(values) if segment.startswith("{") else segment for segment in self.path.split("/")]
        return f"{self.version}{'/'.join(segments)}"

    def __str__(self) -> str:
        return f"{self.method} {self.version}{self.path}"


@pytest.fixture(scope="module")
async def routes(http: httpx.AsyncClient) -> list[Route]:
    """Every route of both documents that leads to a tenant's data."""
    found = []
    for version in VERSIONS:
        document = (await http.get(f"/{version}/openapi.json")).json()
        for path, item in document["paths"].items():
            if not path.startswith(NOT_OF_A_TENANT):
                found += [Route(version, method.upper(), path) for method in item if method != "parameters"]
    assert len(found) > 150
    return found


async def pages(inside: Inside, path: str) -> list[dict]:
    found: list[dict] = []
    url: str | None = path
    while url:
        answer = await inside.ask("GET", url)
        assert answer.status_code == 200, f"{url}: {answer.status_code} {answer.text}"
        document = answer.json()
        found += document["value"]
        url = document.get("@odata.nextLink")
    return found


def is_list(route: Route) -> bool:
    """Whether it answers with a collection: it ends in no id, count or reference, and is no single thing."""
    last = route.path.rsplit("/", 1)[-1]
    return route.method == "GET" and not last.startswith(("{", "$")) and last not in (
        "identityProtection", "conditionalAccess", "me"
    )


async def everything_of(inside: Inside, routes: list[Route]) -> dict[str, object]:
    """All that a tenant can read of itself, but its sign-ins: those it may get from anywhere."""
    found: dict[str, object] = {}
    for route in routes:
        if route.method != "GET" or "/signIns" in route.path or route.path.endswith("/me"):
            continue
        for ids in itertools.product(*route.ids(inside)):
            if route.parameters and not belongs(route, ids, inside):
                continue
            path = route.fill(*ids)
            if is_list(route):
                # A collection of several kinds has no `$orderby`; none of them promises an order.
                found[path] = sorted(json.dumps(entity, sort_keys=True) for entity in await pages(inside, path))
            else:
                answer = await inside.ask("GET", path)
                assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"
                found[path] = answer.text
    return found


def belongs(route: Route, ids: tuple[str, ...], inside: Inside) -> bool:
    """Whether there is such an object: children hang on the first of their kind only, and the assignment on Graph."""
    if len(ids) == 1:
        return True
    return ids[0] == inside.id(route.parameters[0]) and "appRoleAssignedTo" not in route.path


@pytest.fixture
async def untouched(them: Inside, routes: list[Route]) -> AsyncIterator[None]:
    """Whatever the test did, Fabrikam is as it was."""
    before = await everything_of(them, routes)
    yield
    after = await everything_of(them, routes)
    pairs = {path: (before.get(path), after.get(path)) for path in before | after}
    changed = {path: pair for path, pair in pairs.items() if pair[0] != pair[1]}
    assert changed == {}


def assert_nothing_shown(answer: httpx.Response, of: Inside, asked: str = "") -> None:
    """Nothing of a tenant is in an answer, apart from what the request itself named: that may stand in an error."""
    whole = (answer.text + str(answer.headers)).lower()
    if "/auditlogs/signins" in str(answer.request.url).lower():
        # What somebody typed at the other tenant's page: `test_people.py` tries this name there, and that log has it.
        whole = whole.replace(of.tenant.user_principal_name.lower(), "")
    sent = (asked + str(answer.request.url) + answer.request.content.decode(errors="replace")).lower()
    shown = [text for text in of.traces if text.lower() in whole and text.lower() not in sent]
    assert shown == [], f"{answer.request.method} {answer.request.url}: {answer.text[:2000]}"
    if answer.is_success and not asked and answer.headers.get("content-type", "").startswith("application/json"):
        document = answer.json()
        document.pop("@odata.nextLink", None)
        document.pop("@odata.context", None)
        text = json.dumps(document).lower()
        if "/auditlogs/signins" in str(answer.request.url).lower():
            text = text.replace(of.tenant.user_principal_name.lower(), "")
        shown = [trace for trace in of.traces if trace.lower() in text]
        assert shown == [], f"{answer.request.method} {answer.request.url}: {answer.text[:2000]}"


def mixtures(route: Route, ours: Inside, theirs: Inside) -> Iterator[tuple[str, ...]]:
    """The ways to fill a route with at least one id of theirs."""
    foreign = {id for ids in theirs.ids.values() for id in ids}
    both = [own + other for own, other in zip(route.ids(ours), route.ids(theirs), strict=True)]
    for ids in itertools.product(*both):
        if foreign.intersection(ids):
            yield ids


def body_for(route: Route, inside: Inside) -> dict | None:
    """A body that the route takes, for objects of `inside`."""
    last = route.path.rsplit("/", 1)[-1]
    if route.method == "PATCH":
        kind = route.path.strip("/").split("/")[-2]
        return {
            "oauth2PermissionGrants": {"scope": "changed"},
            "federatedIdentityCredentials": {"description": "changed"},
        }.get(kind, {"displayName": "changed"})
    if route.method != "POST":
        return None
    return {
        "addPassword": {"passwordCredential": {"displayName": "added"}},
        "removePassword": {"keyId": inside.secret_id},
        "addKey": {"keyCredential": {"type": "AsymmetricX509Cert", "usage": "Verify", "key": "AAAA"}, "proof": "a.b.c"},
        "removeKey": {"keyId": str(uuid.uuid4()), "proof": "a.b.c"},
        "$ref": reference(inside, inside.id("servicePrincipals")),
        "federatedIdentityCredentials": {
            "name": "added", "issuer": "https://added.example", "subject": "s", "audiences": ["any"],
        },
        "appRoleAssignments": {
            "principalId": inside.id("servicePrincipals"), "resourceId": inside.id("servicePrincipals"),
            "appRoleId": str(uuid.UUID(int=0)),
        },
        "appRoleAssignedTo": {
            "principalId": inside.id("servicePrincipals"), "resourceId": inside.id("servicePrincipals"),
            "appRoleId": str(uuid.UUID(int=0)),
        },
        "restore": {},
    }[last]


# Without a proof by the key itself, nobody adds or removes one.
NEEDS_A_PROOF = ("addKey", "removeKey")


async def test_the_administrator_can_do_all_that_is_tried_below(http: httpx.AsyncClient, server, contoso, routes):
    """Otherwise a refusal would say nothing: each route with a body of ours takes it in its own tenant."""
    for route in routes:
        if route.version == "beta" or route.method == "GET" or not route.parameters:
            continue
        if route.path.endswith(NEEDS_A_PROOF):
            continue
        own = await populate(await enter(http, server, contoso))
        if "/servicePrincipals/" in route.path and route.path.endswith("removePassword"):
            continue
        if route.path.endswith("/owners/{ownerId}/$ref"):
            await own.make("POST", f"{route.path.split('/')[1]}/{own.id(route.parameters[0])}/owners/$ref",
                           reference(own, own.ids["servicePrincipals"][1]))
        if "appRoleAssignedTo/{" in route.path:
            graph = await own.make("GET", f"servicePrincipals(appId='{GRAPH_APP_ID}')?$select=id")
            own.ids["servicePrincipals"] = [graph["id"]]
        path = route.fill(*(ids[0] for ids in route.ids(own)))
        answer = await own.ask(route.method, path, body_for(route, own))
        assert answer.is_success, f"{route}: {answer.status_code} {answer.text}"


async def test_reading_by_id(us: Inside, them: Inside, routes: list[Route], untouched: None):
    for route in routes:
        if route.method == "GET" and route.parameters:
            for ids in mixtures(route, us, them):
                answer = await us.ask("GET", route.fill(*ids))
                # Listing what is below an object of ours is no business of theirs.
                assert answer.status_code == 404, f"{route} {ids}: {answer.status_code} {answer.text[:500]}"
                assert_nothing_shown(answer, them)


async def test_reading_our_ids_with_their_token(us: Inside, them: Inside, routes: list[Route], untouched: None):
    for route in routes:
        if route.method == "GET" and route.parameters:
            answer = await them.ask("GET", route.fill(*(ids[0] for ids in route.ids(us))))
            assert answer.status_code == 404, f"{route}: {answer.status_code} {answer.text[:500]}"
            assert_nothing_shown(answer, us)


async def test_writing_by_id(us: Inside, them: Inside, routes: list[Route], untouched: None):
    for route in routes:
        if route.method == "GET" or not route.parameters:
            continue
        for ids in mixtures(route, us, them):
            for body in [body_for(route, us), body_for(route, them)]:
                answer = await us.ask(route.method, route.fill(*ids), body)
                expected = (400, 401, 403, 404) if route.path.endswith(NEEDS_A_PROOF) else (404,)
                assert answer.status_code in expected, f"{route} {ids}: {answer.status_code} {answer.text[:500]}"
                assert_nothing_shown(answer, them)


async def test_ids_in_any_case_and_quoted(us: Inside, them: Inside, untouched: None):
    for segment in ["applications", "servicePrincipals", "users", "directoryObjects", "directory/deletedItems"]:
        id = them.id(segment.rsplit("/", 1)[-1])
        for written in [f"{segment}/{id.upper()}", f"{segment}('{id}')", f"{segment}/%27{id}%27", f"{segment}/{id}%20"]:
            answer = await us.ask("GET", f"v1.0/{written}")
            assert answer.status_code in (400, 404), f"{written}: {answer.status_code} {answer.text[:500]}"
            assert_nothing_shown(answer, them)


async def test_alternate_keys(us: Inside, them: Inside, untouched: None):
    app_id = them.app_ids[0]
    for key in [
        f"applications(appId='{app_id}')", f"applications(uniqueName='{them.unique_name}')",
        f"servicePrincipals(appId='{app_id}')", f"users/{them.user_principal_name}",
        f"users(userPrincipalName='{them.user_principal_name}')",
        f"applications(appId='{app_id}')/federatedIdentityCredentials(name='{them.mark}')",
        f"servicePrincipals(appId='{app_id}')/appRoleAssignments",
    ]:
        change = {"description": "changed"} if "federated" in key else {"displayName": "changed"}
        for method, body in [("GET", None), ("PATCH", change), ("DELETE", None)]:
            if method != "GET" and key.endswith("appRoleAssignments"):
                continue
            answer = await us.ask(method, f"v1.0/{key}", body)
            assert answer.status_code == 404, f"{method} {key}: {answer.status_code} {answer.text[:500]}"
            assert_nothing_shown(answer, them)


async def test_a_unique_name_of_theirs_is_free_with_us(us: Inside, them: Inside, untouched: None):
    """Whether it is taken elsewhere is theirs to know."""
    key = f"applications(uniqueName='{them.unique_name}')"
    answer = await us.ask("PATCH", f"v1.0/{key}", {"displayName": "ours"}, Prefer="create-if-missing")
    assert answer.status_code == 201, answer.text
    assert answer.json()["id"] not in them.ids["applications"]
    made = answer.json()["id"]
    await us.make("DELETE", f"applications/{made}")
    await us.make("DELETE", f"directory/deletedItems/{made}")


async def test_lists(us: Inside, them: Inside, routes: list[Route], untouched: None):
    for route in routes:
        if route.method == "GET" and not route.parameters and not route.path.endswith("/me"):
            path = route.fill()
            while path:
                answer = await us.ask("GET", path)
                assert answer.status_code == 200, f"{route}: {answer.text}"
                assert_nothing_shown(answer, them)
                is_json = answer.headers["content-type"].startswith("application/json")
                path = answer.json().get("@odata.nextLink") if is_json else None


def conditions(them: Inside) -> list[str]:
    """Filters that only their objects fulfil."""
    every_id = [id for segment, ids in them.ids.items() for id in ids if segment != "organization"]
    members = [
        "id", "principalId", "resourceId", "clientId", "servicePrincipalId", "activity/id",
        "initiatedBy/app/servicePrincipalId",
    ]
    found = [f"{member} eq '{id}'" for member in members for id in every_id]
    found += [f"id in ({','.join(repr(id) for id in every_id[:15])})"]
    found += [f"{member} eq '{app_id}'" for member in ["appId", "initiatedBy/app/appId"] for app_id in them.app_ids]
    for member in ["displayName", "uniqueName", "userPrincipalName", "name", "subject", "scope", "principalDisplayName",
                   "servicePrincipalDisplayName", "servicePrincipalName", "appDisplayName"]:
        found += [f"{member} eq '{them.mark}'", f"startswith({member},'{them.mark}')"]
    found += [
        f"identifierUris/any(u:u eq 'api://{them.mark}')",
        f"servicePrincipalNames/any(n:n eq '{them.app_ids[0]}')",
        f"passwordCredentials/any(p:p/keyId eq {them.secret_id})",
        f"owners/any(o:o/id eq '{them.id('owners')}')",
        f"targetResources/any(t:t/id eq '{them.id('servicePrincipals')}')",
        f"targetResources/any(t:t/displayName eq '{them.mark}')",
        f"not(displayName ne '{them.mark}')",
        f"tenantId eq '{them.tenant.id}'",
        f"_tenantId eq '{them.tenant.id}'",
        f"tenant_id eq '{them.tenant.id}'",
        f"id eq 'x' or id eq '{them.id('applications')}'",
        "id eq 'x'' or ''1'' eq ''1'",
    ]
    return found


async def test_filters(us: Inside, them: Inside, routes: list[Route], untouched: None):
    tried = 0
    for route in routes:
        if not is_list(route) or route.parameters or route.version == "beta" and "/signIns" not in route.path:
            continue
        for condition in conditions(them):
            answer = await us.http.get(
                f"/{route.fill()}", params={"$filter": condition},
                headers={"Authorization": f"Bearer {us.bearer}"} | EVENTUAL,
            )
            assert answer.status_code in (200, 400), f"{route} {condition}: {answer.status_code} {answer.text}"
            if answer.status_code == 200:
                tried += 1
                if "organization" not in route.path and "subscribedSkus" not in route.path:
                    assert answer.json()["value"] == [], f"{route} {condition}"
                assert_nothing_shown(answer, them)
    assert tried > 300


async def test_counts_and_searches(us: Inside, them: Inside, routes: list[Route], untouched: None):
    headers = {"Authorization": f"Bearer {us.bearer}"} | EVENTUAL
    for route in routes:
        if route.path.endswith("/$count") and not route.parameters:
            for condition in [f"id eq '{id}'" for ids in them.ids.values() for id in ids]:
                answer = await us.http.get(f"/{route.fill()}", params={"$filter": condition}, headers=headers)
                assert answer.status_code == 200, f"{route} {condition}: {answer.text}"
                assert answer.text == "0", f"{route} {condition}: {answer.text}"
        if is_list(route) and not route.parameters:
            for search in [f'"displayName:{them.mark}"', f'"{them.mark}"', f'"appId:{them.app_ids[0]}"']:
                answer = await us.http.get(f"/{route.fill()}", params={"$search": search}, headers=headers)
                assert answer.status_code in (200, 400), f"{route} {search}: {answer.text}"
                assert_nothing_shown(answer, them)


NAVIGATIONS = [
    "owners", "ownedObjects", "memberOf", "principal", "roleDefinition", "history", "federatedIdentityCredentials",
    "appRoleAssignments", "appRoleAssignedTo", "oauth2PermissionGrants", "directoryScope", "createdObjects",
]


async def test_expanding(us: Inside, them: Inside, routes: list[Route], untouched: None):
    for route in routes:
        if is_list(route) and not route.parameters:
            for navigation in NAVIGATIONS:
                for expand in [navigation, f"{navigation}($filter=id eq '{them.id('servicePrincipals')}')"]:
                    answer = await us.http.get(
                        f"/{route.fill()}", params={"$expand": expand, "$top": "100"},
                        headers={"Authorization": f"Bearer {us.bearer}"} | EVENTUAL,
                    )
                    assert answer.status_code in (200, 400), f"{route} {expand}: {answer.status_code} {answer.text}"
                    assert_nothing_shown(answer, them)
    for segment, navigation in [("applications", "owners"), ("servicePrincipals", "owners"),
                                ("servicePrincipals", "appRoleAssignedTo")]:
        answer = await us.ask("GET", f"v1.0/{segment}/{them.id(segment)}?$expand={navigation}")
        assert answer.status_code == 404
        assert_nothing_shown(answer, them)


async def test_batches(server: Server, us: Inside, them: Inside, routes: list[Route], untouched: None):
    requests = []
    for route in routes:
        if not route.parameters:
            continue
        path = route.fill(*(ids[0] for ids in route.ids(them)))
        relative = path.removeprefix(route.version)
        for url in [relative, f"{server.authority}/{path}", f"https://graph.microsoft.com/{path}"]:
            request = {"id": str(len(requests)), "method": route.method, "url": url}
            if route.method in ("POST", "PATCH"):
                request |= {"body": body_for(route, them), "headers": {"Content-Type": "application/json"}}
            requests.append(request)
    for start in range(0, len(requests), 20):
        part = requests[start : start + 20]
        answer = await us.ask("POST", "v1.0/$batch", {"requests": part})
        assert answer.status_code == 200, answer.text
        responses = {response["id"]: response for response in answer.json()["responses"]}
        for request in part:
            response = responses[request["id"]]
            assert response["status"] in (400, 401, 403, 404), f"{request}: {response}"
        assert_nothing_shown(answer, them, json.dumps(part))


async def test_a_batch_cannot_bring_a_token_or_a_tenant_of_its_own(us: Inside, them: Inside, untouched: None):
    headers = {"Authorization": f"Bearer {them.bearer}", "Host": "fabrikam.example", "X-Tenant-Id": them.tenant.id}
    requests = [
        {"id": "1", "method": "GET", "url": f"/applications/{them.id('applications')}", "headers": headers},
        {"id": "2", "method": "GET", "url": "/organization", "headers": headers},
        {"id": "3", "method": "GET", "url": f"/{them.tenant.id}/organization", "headers": headers},
    ]
    answer = await us.ask("POST", "v1.0/$batch", {"requests": requests})
    statuses = [response["status"] for response in answer.json()["responses"]]
    assert statuses in ([404, 200, 400], [404, 200, 404])
    assert_nothing_shown(answer, them, json.dumps([request["url"] for request in requests]))
    [organization] = next(part for part in answer.json()["responses"] if part["id"] == "2")["body"]["value"]
    assert organization["id"] == us.tenant.id


async def test_skip_tokens_of_their_pages(us: Inside, them: Inside, routes: list[Route], untouched: None):
    used = 0
    for route in routes:
        if not is_list(route):
            continue
        ids = [ids[0] for ids in route.ids(them)]
        own = [ids[0] for ids in route.ids(us)]
        answer = await them.ask("GET", f"{route.fill(*ids)}?$top=1")
        link = answer.json().get("@odata.nextLink") if answer.status_code == 200 else None
        if not link:
            continue
        used += 1
        options = link.split("?", 1)[1]
        for url in {link, f"/{route.fill(*own)}?{options}"}:
            answer = await us.ask("GET", url)
            assert answer.status_code in (200, 400, 404), f"{url}: {answer.status_code} {answer.text}"
            assert_nothing_shown(answer, them)
    assert used > 5


async def test_a_skip_token_that_was_made_up(us: Inside, them: Inside, untouched: None):
    for id in [them.id("applications"), them.tenant.id]:
        for token in [id, *(base64.urlsafe_b64encode(text.encode()).decode().rstrip("=") for text in [id, f"0 {id}"])]:
            for path in ["v1.0/applications", "beta/auditLogs/signIns", "v1.0/auditLogs/directoryAudits"]:
                answer = await us.ask("GET", f"{path}?$skiptoken={token}")
                assert answer.status_code in (200, 400), f"{path} {token}: {answer.status_code} {answer.text}"
                assert_nothing_shown(answer, them)


async def test_links_to_their_objects(us: Inside, them: Inside, untouched: None):
    ours, theirs = us.id("servicePrincipals"), them.id("servicePrincipals")
    role = str(uuid.UUID(int=0))
    attempts = [
        *(("POST", f"{segment}/{us.id(segment)}/owners/$ref", reference(them, id))
          for segment in ["applications", "servicePrincipals"] for id in [theirs, them.id("users")]),
        *(("POST", f"servicePrincipals/{ours}/{way}",
           {"principalId": principal, "resourceId": resource, "appRoleId": role})
          for way in ["appRoleAssignments", "appRoleAssignedTo"]
          for principal, resource in [(ours, theirs), (theirs, ours), (theirs, theirs), (them.id("users"), ours)]),
        *(("POST", "oauth2PermissionGrants",
           {"consentType": "AllPrincipals", "scope": "a", "clientId": client, "resourceId": resource})
          for client, resource in [(ours, theirs), (theirs, ours), (theirs, theirs)]),
        ("POST", "oauth2PermissionGrants",
         {"consentType": "Principal", "scope": "a", "clientId": ours, "resourceId": ours,
          "principalId": them.id("users")}),
        *(("POST", "roleManagement/directory/roleAssignments",
           {"principalId": id, "roleDefinitionId": GLOBAL_READER, "directoryScopeId": "/"})
          for id in [theirs, them.id("users")]),
        ("POST", "roleManagement/directory/roleAssignments",
         {"principalId": ours, "roleDefinitionId": GLOBAL_READER, "directoryScopeId": f"/{them.id('applications')}"}),
        ("POST", "servicePrincipals", {"appId": them.app_ids[0]}),
        ("POST", "applications", {"displayName": "x", "id": them.id("applications")}),
        ("POST", "applications", {"displayName": "x", "appId": them.app_ids[0]}),
        ("POST", "users", {"displayName": "x", "userPrincipalName": them.user_principal_name, "mailNickname": "x",
                           "accountEnabled": True, "passwordProfile": {"password": "3x!-Abcdefgh"}}),
        ("PATCH", f"servicePrincipals/{ours}", {"appOwnerOrganizationId": them.tenant.id}),
        ("PATCH", f"servicePrincipals/{ours}", {"appId": them.app_ids[0]}),
        ("PATCH", f"applications/{us.id('applications')}", {"appId": them.app_ids[0]}),
        ("PATCH", f"applications/{us.id('applications')}", {"publisherDomain": them.tenant.domain}),
    ]  # fmt: skip
    done = []
    for method, path, body in attempts:
        answer = await us.ask(method, f"v1.0/{path}", body)
        if answer.status_code not in (400, 403, 404):
            done.append(f"{method} {path} {body}: {answer.status_code} {answer.text}")
        assert_nothing_shown(answer, them)
    assert done == []


async def test_a_user_cannot_take_a_name_in_their_domain(us: Inside, them: Inside, untouched: None):
    path = f"v1.0/users/{us.id('users')}"
    answer = await us.ask("PATCH", path, {"userPrincipalName": f"new@{them.tenant.domain}"})
    await us.make("PATCH", f"users/{us.id('users')}", {"userPrincipalName": us.user_principal_name})
    assert answer.status_code == 400, answer.text


@pytest.mark.parametrize("action", ["confirmCompromised", "dismiss"])
async def test_risk_of_theirs(us: Inside, them: Inside, untouched: None, action: str):
    for version in VERSIONS:
        path = f"{version}/identityProtection/riskyServicePrincipals/{action}"
        answer = await us.ask("POST", path, {"servicePrincipalIds": them.ids["servicePrincipals"]})
        assert answer.status_code in (400, 404), answer.text
        assert_nothing_shown(answer, them)
        # Ids that are not known are passed over when another is.
        mixed = [us.id("servicePrincipals"), *them.ids["servicePrincipals"]]
        answer = await us.ask("POST", path, {"servicePrincipalIds": mixed})
        assert answer.status_code in (204, 400, 404), answer.text
    for what in ["riskyServicePrincipals", "servicePrincipalRiskDetections"]:
        answer = await us.ask("GET", f"v1.0/identityProtection/{what}")
        assert_nothing_shown(answer, them)


async def test_a_client_of_one_tenant_does_not_exist_in_another(http, us: Inside, them: Inside, untouched: None):
    for version in tokens.TOKEN_ENDPOINTS:
        for client_id in [us.app_ids[0], us.tenant.admin.client_id]:
            secret = us.secret if client_id == us.app_ids[0] else us.tenant.admin.secret
            fields = tokens.form(client_id, version=version, client_secret=secret)
            for tenant in [them.tenant.id, them.tenant.domain, them.tenant.id.upper()]:
                path = "oauth2/token" if version == "v1.0" else "oauth2/v2.0/token"
                answer = await http.post(f"/{tenant}/{path}", data=fields)
                assert_refused(answer, 700016)
                assert us.mark.lower() not in answer.text.lower(), "the name of the application is not told"


async def test_a_resource_of_another_tenant_does_not_exist(
    http, server: Server, us: Inside, them: Inside, untouched: None
):
    for resource in [f"api://{them.mark}", f"api://{them.app_ids[0]}", them.app_ids[0]]:
        fields = tokens.form(us.app_ids[0], client_secret=us.secret, scope=f"{resource}/.default")
        answer = await tokens.post(http, server, us.tenant, fields)
        assert_refused(answer, 500011)
        assert_nothing_shown(answer, them, resource)


async def test_an_application_for_many_tenants_is_used_only_where_there_is_a_service_principal(
    http, server: Server, us: Inside, them: Inside
):
    application = await us.make(
        "POST", "applications", {"displayName": graphs.unique("visitor"), "signInAudience": "AzureADMultipleOrgs"}
    )
    added = await us.make("POST", f"applications/{application['id']}/addPassword", {})
    own = await us.make("POST", "servicePrincipals", {"appId": application["appId"]})
    own_only = await us.make("POST", f"servicePrincipals/{own['id']}/addPassword", {})
    fields = tokens.form(application["appId"], client_secret=added["secretText"])
    assert_refused(await tokens.post(http, server, them.tenant, fields), 7000229, 700016)

    visitor = await them.make("POST", "servicePrincipals", {"appId": application["appId"]})
    assert visitor["appOwnerOrganizationId"] == us.tenant.id
    answer = await tokens.post(http, server, them.tenant, fields)
    assert answer.status_code == 200, answer.text
    claims = tokens.claims(answer.json()["access_token"])
    assert (claims["tid"], claims["oid"]) == (them.tenant.id, visitor["id"])
    # At home it is still itself.
    at_home = await tokens.token(http, server, us.tenant, application["appId"], added["secretText"])
    assert (tokens.claims(at_home)["tid"], tokens.claims(at_home)["oid"]) == (us.tenant.id, own["id"])
    # What our service principal has as a secret of its own is none of theirs, and the other way around.
    assert_refused(
        await tokens.post(http, server, them.tenant, fields | {"client_secret": own_only["secretText"]}), 7000215
    )
    theirs_only = await them.make("POST", f"servicePrincipals/{visitor['id']}/addPassword", {})
    assert_refused(
        await tokens.post(http, server, us.tenant, fields | {"client_secret": theirs_only["secretText"]}), 7000215
    )
    # Being there gives no permission.
    guest = Inside(us.tenant, answer.json()["access_token"], http)
    for path in ["applications", "servicePrincipals", "users", "auditLogs/signIns", f"users/{them.id('users')}"]:
        answer = await guest.ask("GET", f"v1.0/{path}")
        assert answer.status_code == 403, f"{path}: {answer.text}"
        assert_nothing_shown(answer, them)
    # They see the service principal, and not the application.
    answer = await them.ask("GET", f"v1.0/applications(appId='{application['appId']}')")
    assert answer.status_code == 404
    # Their administrator disables it for themselves alone.
    await them.make("PATCH", f"servicePrincipals/{visitor['id']}", {"accountEnabled": False})
    assert_refused(await tokens.post(http, server, them.tenant, fields), 7000112)
    assert (await tokens.post(http, server, us.tenant, fields)).status_code == 200


async def test_an_application_that_closes_itself_is_gone_elsewhere(http, server: Server, us: Inside, them: Inside):
    application = await us.make(
        "POST", "applications", {"displayName": graphs.unique("closing"), "signInAudience": "AzureADMultipleOrgs"}
    )
    added = await us.make("POST", f"applications/{application['id']}/addPassword", {})
    await them.make("POST", "servicePrincipals", {"appId": application["appId"]})
    fields = tokens.form(application["appId"], client_secret=added["secretText"])
    assert (await tokens.post(http, server, them.tenant, fields)).status_code == 200
    await us.make("PATCH", f"applications/{application['id']}", {"signInAudience": "AzureADMyOrg"})
    assert_refused(await tokens.post(http, server, them.tenant, fields), 700016)


async def test_an_application_that_is_deleted_is_gone_elsewhere(http, server: Server, us: Inside, them: Inside):
    application = await us.make(
        "POST", "applications", {"displayName": graphs.unique("deleted"), "signInAudience": "AzureADMultipleOrgs"}
    )
    secret = (await us.make("POST", f"applications/{application['id']}/addPassword", {}))["secretText"]
    visitor = await them.make("POST", "servicePrincipals", {"appId": application["appId"]})
    own = (await them.make("POST", f"servicePrincipals/{visitor['id']}/addPassword", {}))["secretText"]
    for end in [f"applications/{application['id']}", f"directory/deletedItems/{application['id']}"]:
        await us.make("DELETE", end)
        for given in [secret, own]:
            fields = tokens.form(application["appId"], client_secret=given)
            assert_refused(await tokens.post(http, server, them.tenant, fields), 700016)


@pytest.mark.parametrize(
    "audience", ["AzureADMyOrg", "azureadmyorg", "PersonalMicrosoftAccount", "AzureADMultipleOrgs2", "", "nobody", None]
)
async def test_an_application_is_open_to_others_only_if_it_says_so(us: Inside, them: Inside, audience: str | None):
    body = {"displayName": graphs.unique("audience"), "signInAudience": audience}
    answer = await us.ask("POST", "v1.0/applications", body)
    if answer.status_code == 201:
        answer = await them.ask("POST", "v1.0/servicePrincipals", {"appId": answer.json()["appId"]})
    assert answer.status_code == 400, answer.text


async def test_consent_to_their_application_shows_and_changes_nothing_of_it(us: Inside, them: Inside):
    before = (await them.ask("GET", f"v1.0/applications(appId='{them.shared_app_id}')")).json()
    visitor = await us.make("POST", "servicePrincipals", {"appId": them.shared_app_id})
    for secret in [them.secret_id, them.ids["applications"][1], them.user_principal_name]:
        assert secret not in json.dumps(visitor)
    path = f"servicePrincipals/{visitor['id']}"
    await us.make("PATCH", path, {"displayName": "ours", "tags": ["ours"]})
    await us.make("POST", f"{path}/addPassword", {})
    answer = await us.ask("PATCH", f"v1.0/applications(appId='{them.shared_app_id}')", {"displayName": "ours"})
    assert answer.status_code == 404
    await us.make("DELETE", path)
    answer = await us.ask("DELETE", f"v1.0/directory/deletedItems/{visitor['id']}")
    assert answer.status_code == 204
    after = (await them.ask("GET", f"v1.0/applications(appId='{them.shared_app_id}')")).json()
    assert before == after
    theirs = await them.ask("GET", f"v1.0/servicePrincipals(appId='{them.shared_app_id}')")
    assert theirs.status_code == 200


async def test_their_application_has_the_roles_that_they_give_it(http, server: Server, us: Inside, them: Inside):
    """As in Entra: what a service principal says of its application is the publisher's, wherever it is."""
    api = await them.make(
        "POST", "applications", {"displayName": graphs.unique("api"), "signInAudience": "AzureADMultipleOrgs"}
    )
    resource = await us.make("POST", "servicePrincipals", {"appId": api["appId"]})
    client = await us.make("POST", "applications", {"displayName": graphs.unique("client")})
    principal = await us.make("POST", "servicePrincipals", {"appId": client["appId"]})
    secret = (await us.make("POST", f"applications/{client['id']}/addPassword", {}))["secretText"]

    async def roles() -> list[str] | None:
        fields = tokens.form(client["appId"], client_secret=secret, scope=f"{api['appId']}/.default")
        answer = await tokens.post(http, server, us.tenant, fields)
        return tokens.claims(answer.json()["access_token"]).get("roles")

    role = {
        "id": str(uuid.uuid4()), "value": "Orders.Read", "displayName": "a", "description": "a",
        "allowedMemberTypes": ["Application"], "isEnabled": True,
    }
    scope = {
        "id": str(uuid.uuid4()), "value": "Orders.Use", "type": "User", "isEnabled": True,
        "adminConsentDisplayName": "a", "adminConsentDescription": "a",
    }
    assert await roles() is None
    change = {
        "displayName": "renamed", "appRoles": [role], "api": {"oauth2PermissionScopes": [scope]},
        "identifierUris": [f"api://{graphs.unique('later')}"],
    }
    await them.make("PATCH", f"applications/{api['id']}", change)
    found = await us.make("GET", f"servicePrincipals/{resource['id']}")
    assert [one["value"] for one in found["appRoles"]] == ["Orders.Read"]
    assert [one["value"] for one in found["oauth2PermissionScopes"]] == ["Orders.Use"]
    assert (found["appDisplayName"], found["displayName"]) == ("renamed", resource["displayName"])
    assert found["servicePrincipalNames"] == resource["servicePrincipalNames"], "no publisher takes a name of ours"
    assignment = {"principalId": principal["id"], "resourceId": resource["id"], "appRoleId": role["id"]}
    await us.make("POST", f"servicePrincipals/{principal['id']}/appRoleAssignments", assignment)
    assert await roles() == ["Orders.Read"]
    await them.make("PATCH", f"applications/{api['id']}", {"appRoles": [role | {"value": "Orders.Read.All"}]})
    assert await roles() == ["Orders.Read.All"]


async def test_an_assertion_is_for_the_tenant_that_it_names(http, server: Server, us: Inside, them: Inside):
    key = Key()
    application = await us.make(
        "POST", "applications",
        {"displayName": graphs.unique("certified"), "signInAudience": "AzureADMultipleOrgs",
         "keyCredentials": [{"type": "AsymmetricX509Cert", "usage": "Verify",
                             "key": base64.b64encode(key.der).decode()}]},
    )
    for inside in [us, them]:
        await inside.make("POST", "servicePrincipals", {"appId": application["appId"]})
    for tenant, other in [(us.tenant, them.tenant), (them.tenant, us.tenant)]:
        assertion = key.assertion(application["appId"], server.token_endpoint(tenant))
        fields = tokens.form(
            application["appId"], client_assertion_type=ASSERTION_TYPE, client_assertion=assertion
        )
        answer = await tokens.post(http, server, other, fields)
        assert answer.status_code in (400, 401), answer.text
        assert (await tokens.post(http, server, tenant, fields)).status_code == 200


async def test_sign_ins_are_in_the_log_of_the_tenant_that_was_asked(http, server: Server, us: Inside, them: Inside):
    fields = tokens.form(us.app_ids[0], client_secret=us.secret)
    request_id = (await tokens.post(http, server, them.tenant, fields)).headers["x-ms-request-id"]
    assert (await them.ask("GET", f"beta/auditLogs/signIns/{request_id}")).status_code == 200
    answer = await us.ask("GET", f"beta/auditLogs/signIns/{request_id}")
    assert answer.status_code == 404
