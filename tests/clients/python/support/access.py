"""A server whose policies are a test's own, and programs that call it from any address.

Policies hold for a whole tenant, so no test makes one on the server that all share.
"""

import contextlib
import copy
import json
import uuid
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any

import httpx
from msgraph import GraphServiceClient
from msgraph.generated.models.app_role_assignment import AppRoleAssignment

from support import graph as graphs
from support.graph import GRAPH_APP_ID, Workload
from support.server import Server, Tenant, own_server
from support.tokens import form, token

POLICIES = "/v1.0/identity/conditionalAccess/policies"
LOCATIONS = "/v1.0/identity/conditionalAccess/namedLocations"
EVALUATE = "/v1.0/identity/conditionalAccess/evaluate"
EVERYBODY = "ServicePrincipalsInMyTenant"
REPORT_ONLY = "enabledForReportingButNotEnforced"

# Of RFC 5737, so that no table of addresses knows their country.
OFFICE = "198.51.100.10"
ELSEWHERE = "203.0.113.77"
# Known to be in these countries by the bundled table.
IN_RUSSIA = "89.108.121.76"
IN_THE_STATES = "23.20.0.1"

CAPABLE = json.dumps({"access_token": {"xms_cc": {"values": ["CP1"]}}})


def from_address(address: str) -> dict[str, str]:
    """The header by which the server's proxy says whom it saw."""
    return {"X-Forwarded-For": address}


def policy(
    *principals: str,
    state: str = "enabled",
    name: str | None = None,
    exclude: Iterable[str] = (),
    filter: tuple[str, str] | None = None,
    resources: Iterable[str] = ("All",),
    exclude_resources: Iterable[str] = (),
    risk: Iterable[str] = (),
    locations: Iterable[str] | None = None,
    exclude_locations: Iterable[str] = (),
    scope: Iterable[str] = (),
) -> dict[str, Any]:
    """A policy that blocks `principals`, as a client posts it. `filter` is mode and rule."""
    clients: dict[str, Any] = {"includeServicePrincipals": list(principals), "excludeServicePrincipals": list(exclude)}
    if filter:
        clients["servicePrincipalFilter"] = {"mode": filter[0], "rule": filter[1]}
    if scope:
        clients["countersignScope"] = list(scope)
    conditions: dict[str, Any] = {
        "applications": {"includeApplications": list(resources), "excludeApplications": list(exclude_resources)},
        "clientApplications": clients,
        "servicePrincipalRiskLevels": list(risk),
    }
    if locations is not None:
        conditions["locations"] = {
            "includeLocations": list(locations), "excludeLocations": list(exclude_locations),
        }
    return {
        "displayName": name or graphs.unique("policy"),
        "state": state,
        "conditions": conditions,
        "grantControls": {"operator": "OR", "builtInControls": ["block"]},
    }


def changed(document: dict, path: str, value: Any) -> dict:
    """A copy with another value at `a.b.c`; an ellipsis takes the member away."""
    document = copy.deepcopy(document)
    *parents, last = path.split(".")
    inner = document
    for name in parents:
        inner = inner[name]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return document


def ip_location(*ranges: str, trusted: bool = False, name: str | None = None) -> dict[str, Any]:
    return {
        "@odata.type": "#microsoft.graph.ipNamedLocation",
        "displayName": name or graphs.unique("network"),
        "isTrusted": trusted,
        "ipRanges": [
            {"@odata.type": f"#microsoft.graph.iPv{6 if ':' in range else 4}CidrRange", "cidrAddress": range}
            for range in ranges
        ],
    }


def country_location(*countries: str, unknown: bool = False, name: str | None = None) -> dict[str, Any]:
    return {
        "@odata.type": "#microsoft.graph.countryNamedLocation",
        "displayName": name or graphs.unique("countries"),
        "countriesAndRegions": list(countries),
        "includeUnknownCountriesAndRegions": unknown,
    }


@dataclass
class Setting:
    """A server of a test file's own, with everything allowed in Contoso."""

    server: Server
    tenant: Tenant
    graph: GraphServiceClient
    beta: GraphServiceClient
    # Signed in without `cp1`, so that no challenge comes between.
    http: httpx.AsyncClient
    # Without any token.
    nobody: httpx.AsyncClient

    async def workload(self, name: str = "workload", *permissions: str, **properties: Any) -> Workload:
        """A workload that policies can be about: its application is this tenant's alone."""
        made = await graphs.new_workload(self.graph, name, **({"sign_in_audience": "AzureADMyOrg"} | properties))
        await grant(self.graph, made, *permissions)
        return made

    async def create(self, document: dict, path: str = POLICIES) -> dict:
        response = await self.http.post(path, json=document)
        assert response.status_code == 201, response.text
        return response.json()

    async def block(self, *principals: str, **conditions: Any) -> str:
        """The id of a new policy, in force."""
        return (await self.create(policy(*principals, **conditions)))["id"]

    async def change(self, id: str, document: dict, path: str = POLICIES) -> None:
        response = await self.http.patch(f"{path}/{id}", json=document)
        assert response.status_code == 204, response.text

    async def delete(self, id: str, path: str = POLICIES) -> None:
        response = await self.http.delete(f"{path}/{id}")
        assert response.status_code == 204, response.text

    @contextlib.asynccontextmanager
    async def in_force(self, *principals: str, **conditions: Any) -> AsyncIterator[str]:
        """A policy for as long as the block lasts; it never concerns the tests' own application."""
        exclude = [self.tenant.admin.service_principal_id, *conditions.pop("exclude", ())]
        id = await self.block(*principals, exclude=exclude, **conditions)
        try:
            yield id
        finally:
            await self.delete(id)

    async def ask(
        self, workload: Workload, address: str = OFFICE, version: str = "v2.0", **fields: str
    ) -> httpx.Response:
        """Asks for a token of Graph by secret, by hand."""
        body = form(workload.app_id, version=version, **({"client_secret": workload.secret} | fields))
        return await self.nobody.post(
            self.server.token_endpoint(self.tenant, version), data=body, headers=from_address(address)
        )

    async def token(self, workload: Workload, address: str = OFFICE, *, capable: bool = True, **fields: str) -> str:
        """A token, for continuous evaluation unless told otherwise."""
        response = await self.ask(workload, address, **(({"claims": CAPABLE} if capable else {}) | fields))
        assert response.status_code == 200, response.text
        return response.json()["access_token"]

    async def call(
        self, token: str, address: str = OFFICE, path: str = "/v1.0/servicePrincipals?$top=1"
    ) -> httpx.Response:
        """Calls Graph with a token, by hand."""
        return await self.nobody.get(path, headers={"Authorization": f"Bearer {token}"} | from_address(address))

    async def sign_ins(self, workload: Workload, expected: int) -> list[dict]:
        """Records of /beta, oldest first, as soon as there are as many as expected."""
        condition = (
            f"signInEventTypes/any(t: t eq 'servicePrincipal') and "
            f"servicePrincipalId eq '{workload.service_principal_id}'"
        )

        async def look() -> list[dict]:
            response = await self.http.get("/beta/auditLogs/signIns", params={"$filter": condition})
            assert response.status_code == 200, response.text
            return sorted(response.json()["value"], key=lambda record: record["createdDateTime"])

        found = await graphs.eventually(look, lambda found: len(found) >= expected)
        assert len(found) == expected, [record["status"]["errorCode"] for record in found]
        return found

    async def audits(self, id: str, activity: str) -> list[dict]:
        """Directory audits about an object, by name of the activity, oldest first."""

        async def look() -> list[dict]:
            response = await self.http.get(
                "/v1.0/auditLogs/directoryAudits",
                params={"$filter": f"targetResources/any(t: t/id eq '{id}')", "$top": "100"},
            )
            assert response.status_code == 200, response.text
            found = sorted(response.json()["value"], key=lambda record: record["activityDateTime"])
            return [one for one in found if one["activityDisplayName"].casefold() == activity.casefold()]

        return await graphs.eventually(look)


@contextlib.asynccontextmanager
async def opened(server: Server, tenant: Tenant) -> AsyncIterator[Setting]:
    """Everything allowed in a tenant of a server that runs."""
    admin = tenant.admin
    async with (
        graphs.credential(server, tenant, admin.client_id, admin.secret) as credential,
        httpx.AsyncClient(verify=graphs.tls(server), base_url=server.authority, timeout=60, trust_env=False) as nobody,
    ):
        bearer = await token(nobody, server, tenant, admin.client_id, admin.secret)
        async with httpx.AsyncClient(
            verify=graphs.tls(server), base_url=server.authority, timeout=60, trust_env=False,
            headers={"Authorization": f"Bearer {bearer}"},
        ) as http:
            yield Setting(
                server, tenant, graphs.client(server, credential), graphs.client(server, credential, "beta"), http,
                nobody,
            )


@contextlib.asynccontextmanager
async def own_setting(database: str, configuration: str = "") -> AsyncIterator[Setting]:
    """A server of its own that believes this machine about the addresses of clients."""
    with own_server(database) as server:
        server.configuration = 'trusted_proxies = ["127.0.0.1"]\n' + configuration
        server.start()
        async with opened(server, server.contoso) as setting:
            yield setting


async def grant(graph: GraphServiceClient, workload: Workload, *permissions: str) -> None:
    """Grants application permissions of Graph by their names, as Graph's own service principal lists them."""
    if not permissions:
        return
    resource = await graphs.graph_principal(graph)
    ids = {role.value: role.id for role in resource.app_roles}
    for permission in permissions:
        await graph.service_principals.by_service_principal_id(workload.service_principal_id).app_role_assignments.post(
            AppRoleAssignment(
                principal_id=uuid.UUID(workload.service_principal_id), resource_id=uuid.UUID(resource.id),
                app_role_id=ids[permission],
            )
        )


@dataclass
class Program:
    """A program on a machine with an address: azure-identity and msgraph-sdk as they are published."""

    setting: Setting
    workload: Workload
    address: str = OFFICE
    headers: dict[str, str] = field(default_factory=dict)

    async def __aenter__(self) -> "Program":
        self.headers |= from_address(self.address)
        # The credential keeps the very dictionary, so that the program can move.
        self.credential = graphs.credential(
            self.setting.server, self.setting.tenant, self.workload.app_id, self.workload.secret,
            base_headers=self.headers,
        )
        self.graph = graphs.client(self.setting.server, self.credential)
        self.move(self.address)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.credential.close()

    def move(self, address: str) -> None:
        """The machine gets another address; nothing in the program changes."""
        self.address = address
        self.headers |= from_address(address)
        self.graph.request_adapter._http_client.headers.update(self.headers)

    async def call(self) -> str:
        """One call of Graph, which needs Application.Read.All."""
        found = await self.graph.service_principals_with_app_id(GRAPH_APP_ID).get()
        return found.id
