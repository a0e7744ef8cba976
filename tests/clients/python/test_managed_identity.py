"""Managed identities: tokens without a secret, for what runs on the server's own machine."""

import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import CredentialUnavailableError, ManagedIdentityCredential
from msgraph import GraphServiceClient
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.service_principal import ServicePrincipal

from support import graph as graphs
from support.graph import Workload, grant, listed
from support.people import TokenOnly
from support.server import GRAPH_SCOPE, Server, free_port, own_server
from support.tokens import GRAPH, claims

PATH = "/metadata/identity/oauth2/token"
HEADERS = {"Metadata": "true"}
QUERY = {"api-version": "2018-02-01", "resource": GRAPH}


@dataclass
class Setting:
    server: Server
    graph: GraphServiceClient
    beta: GraphServiceClient
    port: int
    identities: list[Workload] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def make(self, name: str) -> Workload:
        name = graphs.unique(name)
        words = ["managed-identity", "create", "--tenant", self.server.contoso.id, "--name", name, "--json"]
        made = json.loads(self.server.done(*words))
        assert made["tenantId"] == self.server.contoso.id
        return Workload(name, made["clientId"], "", made["servicePrincipalId"], "", "")

    def ask(self, headers: dict[str, str] = HEADERS, **query: str) -> httpx.Response:
        return httpx.get(
            f"{self.address}{PATH}", params=QUERY | query, headers=headers, trust_env=False, timeout=30
        )


@pytest.fixture(scope="module")
async def setting(database: str) -> AsyncIterator[Setting]:
    """A server with the service, and two identities."""
    with own_server(database) as server:
        port = free_port()
        server.configuration = (
            f'[managed_identity]\nlisten = "127.0.0.1:{port}"\ntenant = "{server.contoso.domain}"\n'
        )
        server.start()
        admin = server.contoso.admin
        async with graphs.credential(server, server.contoso, admin.client_id, admin.secret) as credential:
            setting = Setting(
                server, graphs.client(server, credential), graphs.client(server, credential, "beta"), port
            )
            setting.identities = [setting.make("first"), setting.make("second")]
            yield setting


@pytest.fixture
def machine(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> Setting:
    """The environment of a workload on the server's machine."""
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", setting.address)
    return setting


def test_azure_identity(machine: Setting):
    first = machine.identities[0]
    with ManagedIdentityCredential(client_id=first.app_id) as credential:
        token = credential.get_token(GRAPH_SCOPE)
    found = claims(token.token)
    assert (found["oid"], found["appid"], found["idtyp"]) == (first.service_principal_id, first.app_id, "app")
    assert found["tid"] == machine.server.contoso.id
    assert "roles" not in found


def test_azure_identity_by_object(machine: Setting):
    second = machine.identities[1]
    with ManagedIdentityCredential(identity_config={"object_id": second.service_principal_id}) as credential:
        assert claims(credential.get_token(GRAPH_SCOPE).token)["appid"] == second.app_id


def test_the_object_by_its_other_name(setting: Setting):
    second = setting.identities[1]
    response = setting.ask(principal_id=second.service_principal_id)
    assert response.json()["client_id"] == second.app_id


async def test_azure_identity_by_resource(machine: Setting):
    second = machine.identities[1]
    item = machine.graph.service_principals.by_service_principal_id(second.service_principal_id)
    [name] = [name for name in (await item.get()).alternative_names if name.startswith("/")]
    with ManagedIdentityCredential(identity_config={"resource_id": name}) as credential:
        assert claims(credential.get_token(GRAPH_SCOPE).token)["appid"] == second.app_id


def test_azure_identity_alone_where_there_are_several(machine: Setting):
    with ManagedIdentityCredential() as credential:
        with pytest.raises((ClientAuthenticationError, CredentialUnavailableError)) as error:
            credential.get_token(GRAPH_SCOPE)
    assert "Multiple user assigned identities exist" in str(error.value)


def test_azure_identity_alone(database: str, monkeypatch: pytest.MonkeyPatch):
    with own_server(database, second=False) as server:
        port = free_port()
        server.configuration = f'[managed_identity]\nlisten = "127.0.0.1:{port}"\ntenant = "{server.contoso.id}"\n'
        made = json.loads(server.done("managed-identity", "create", "--name", "only", "--json"))
        server.start()
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", f"http://127.0.0.1:{port}")
        with ManagedIdentityCredential() as credential:
            assert claims(credential.get_token(GRAPH_SCOPE).token)["appid"] == made["clientId"]


def test_the_answer_is_that_of_azure(setting: Setting):
    response = setting.ask(client_id=setting.identities[0].app_id)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("application/json")
    assert response.headers["cache-control"] == "no-store"
    answer = response.json()
    assert all(isinstance(value, str) for value in answer.values()), "all of them are strings"
    assert answer["token_type"] == "Bearer" and answer["resource"] == GRAPH
    assert answer["client_id"] == setting.identities[0].app_id
    assert int(answer["expires_on"]) == claims(answer["access_token"])["exp"]


@pytest.mark.parametrize(
    "headers",
    [
        {}, {"Metadata": "false"}, {"Metadata": ""}, {"Metadata": "1"}, HEADERS | {"X-Forwarded-For": "10.0.0.1"},
        HEADERS | {"X-Forwarded-For": ""},
    ],
)
def test_who_was_led_here_gets_nothing(setting: Setting, headers: dict[str, str]):
    """A page in a browser, or a server that fetches what it is told to."""
    response = setting.ask(headers, client_id=setting.identities[0].app_id)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")
    assert "access_token" not in response.text


@pytest.mark.parametrize("method", ["POST", "PUT", "HEAD", "OPTIONS"])
def test_other_methods(setting: Setting, method: str):
    response = httpx.request(method, f"{setting.address}{PATH}", params=QUERY, headers=HEADERS, trust_env=False)
    assert "access_token" not in response.text
    assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"resource": ""}, "resource"),
        ({"api-version": ""}, "api-version"),
        ({"api-version": "2017-01-01"}, "api-version"),
        ({"client_id": str(uuid.uuid4())}, "Identity not found"),
        ({"client_id": "x"}, "Identity not found"),
        ({"object_id": str(uuid.uuid4())}, "Identity not found"),
        ({"msi_res_id": "/subscriptions/none"}, "Identity not found"),
    ],
)
def test_requests_that_make_no_sense(setting: Setting, query: dict[str, str], said: str):
    response = setting.ask(**query)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")
    assert said in response.json()["error_description"]


def test_an_unknown_resource(setting: Setting):
    response = setting.ask(client_id=setting.identities[0].app_id, resource="https://nothing.example")
    assert response.status_code == 400
    assert "AADSTS500011" in response.json()["error_description"]


async def test_other_service_principals_are_none(setting: Setting):
    """An application has a secret; whoever is on the machine must not do without it."""
    workload = await graphs.new_workload(setting.graph)
    for query in [{"client_id": workload.app_id}, {"object_id": workload.service_principal_id},
                  {"client_id": graphs.GRAPH_APP_ID}]:
        assert setting.ask(**query).status_code == 400


def test_identities_of_another_tenant_are_none(setting: Setting):
    server = setting.server
    made = json.loads(
        server.done("managed-identity", "create", "--tenant", server.fabrikam.id, "--name", "other", "--json")
    )
    assert setting.ask(client_id=made["clientId"]).status_code == 400


async def test_it_calls_graph_with_what_was_granted(machine: Setting):
    identity = machine.make("granted")

    async def reads() -> list:
        with ManagedIdentityCredential(client_id=identity.app_id) as credential:
            token = credential.get_token(GRAPH_SCOPE).token
        graph = graphs.client(machine.server, TokenOnly(token))
        return await listed(graph.identity_protection.risky_service_principals)

    with pytest.raises(ODataError) as error:
        await reads()
    assert error.value.response_status_code == 403
    await grant(machine.graph, identity, "IdentityRiskyServicePrincipal.Read.All")
    await reads()


async def test_its_service_principal(setting: Setting):
    identity = setting.identities[0]
    found = await setting.graph.service_principals_with_app_id(identity.app_id).get()
    assert (found.id, found.display_name) == (identity.service_principal_id, identity.name)
    assert found.service_principal_type == "ManagedIdentity"
    assert not found.password_credentials and not found.key_credentials
    assert identity.app_id in {
        one.app_id for one in await listed(
            setting.graph.service_principals, filter="servicePrincipalType eq 'ManagedIdentity'"
        )
    }


async def test_the_record_of_a_sign_in(setting: Setting):
    identity = setting.make("recorded")
    token = setting.ask(client_id=identity.app_id).json()["access_token"]

    async def look() -> list:
        return await listed(
            setting.beta.audit_logs.sign_ins,
            filter="signInEventTypes/any(t: t eq 'managedIdentity') "
            f"and servicePrincipalId eq '{identity.service_principal_id}'",
        )

    [record] = await graphs.eventually(look)
    assert (record.app_id, record.service_principal_name) == (identity.app_id, identity.name)
    assert record.status.error_code == 0
    assert record.additional_data["uniqueTokenIdentifier"] == claims(token)["uti"]
    assert record.additional_data["clientCredentialType"] == "managedIdentity"
    assert record.additional_data["signInEventTypes"] == ["managedIdentity"]
    assert not await listed(
        setting.beta.audit_logs.sign_ins,
        filter="signInEventTypes/any(t: t eq 'servicePrincipal') "
        f"and servicePrincipalId eq '{identity.service_principal_id}'",
    )


async def test_a_disabled_identity(machine: Setting):
    identity = machine.make("disabled")
    token = machine.ask(client_id=identity.app_id).json()["access_token"]
    item = machine.graph.service_principals.by_service_principal_id(identity.service_principal_id)
    await item.patch(ServicePrincipal(account_enabled=False))
    response = machine.ask(client_id=identity.app_id)
    assert response.status_code == 400 and "AADSTS7000112" in response.json()["error_description"]
    with httpx.Client(verify=graphs.tls(machine.server), trust_env=False) as http:
        answer = http.get(
            f"{machine.server.authority}/v1.0/servicePrincipals", headers={"Authorization": f"Bearer {token}"}
        )
    assert answer.status_code == 401


async def test_a_deleted_identity(setting: Setting):
    identity = setting.make("deleted")
    await setting.graph.service_principals.by_service_principal_id(identity.service_principal_id).delete()
    assert setting.ask(client_id=identity.app_id).status_code == 400


async def test_it_has_no_secret(setting: Setting):
    """Not at the token endpoint: there is nothing to prove it with."""
    identity = setting.identities[0]
    with httpx.Client(verify=graphs.tls(setting.server), trust_env=False) as http:
        for secret in ["", "x"]:
            response = http.post(
                setting.server.token_endpoint(setting.server.contoso),
                data={"grant_type": "client_credentials", "client_id": identity.app_id, "client_secret": secret,
                      "scope": GRAPH_SCOPE},
            )
            assert response.status_code in (400, 401), response.text


def test_it_is_off_unless_configured(server: Server):
    assert "managed identity" not in server.log.read_text()
    with httpx.Client(verify=graphs.tls(server), trust_env=False) as http:
        assert http.get(f"{server.authority}{PATH}", params=QUERY, headers=HEADERS).status_code == 404


@pytest.mark.parametrize("address", ["0.0.0.0:8444", "192.0.2.1:8444", "[::]:8444", "8444", "localhost:8444"])
def test_it_listens_to_this_machine_alone(tmp_path: Path, database: str, address: str):
    if database != "sqlite":
        pytest.skip("one database is enough")
    server = Server(tmp_path)
    file = tmp_path / "own.toml"
    file.write_text(f'[managed_identity]\nlisten = "{address}"\ntenant = "contoso.example"\n')
    done = server.run("serve", "--listen", "127.0.0.1:0", "--config", str(file))
    assert done.returncode == 2
    assert "managed_identity.listen" in done.stderr and len(done.stderr.splitlines()) == 1


def test_a_port_that_is_taken(setting: Setting, database: str):
    with own_server(database, second=False) as other:
        file = other.folder / "own.toml"
        file.write_text(setting.server.configuration)
        done = other.run("serve", "--listen", "127.0.0.1:0", "--config", str(file))
    assert done.returncode == 2 and "managed_identity.listen" in done.stderr


def test_a_page_whose_name_leads_here(setting: Setting):
    """DNS rebinding: to a browser the page of a name that now leads here has the same origin, so it may set headers."""
    response = setting.ask(HEADERS | {"Host": f"evil.example:{setting.port}"}, client_id=setting.identities[0].app_id)
    assert response.status_code == 400
