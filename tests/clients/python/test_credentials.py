"""Secrets and certificates of applications: added, used, removed."""

import datetime
import re
import uuid

import httpx
import pytest
from msgraph import GraphServiceClient
from msgraph.generated.applications.item.add_key.add_key_post_request_body import AddKeyPostRequestBody
from msgraph.generated.applications.item.remove_key.remove_key_post_request_body import RemoveKeyPostRequestBody
from msgraph.generated.applications.item.remove_password.remove_password_post_request_body import (
    RemovePasswordPostRequestBody,
)
from msgraph.generated.models.application import Application
from msgraph.generated.models.key_credential import KeyCredential
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.password_credential import PasswordCredential
from msgraph.generated.service_principals.item.add_password.add_password_post_request_body import (
    AddPasswordPostRequestBody,
)

from support import graph as graphs
from support.graph import Workload
from support.keys import ASSERTION_TYPE, Key
from support.server import Server, Tenant
from support.tokens import claims, form, post, token


async def codes_with_key(
    http: httpx.AsyncClient, server: Server, tenant: Tenant, workload: Workload, key: Key
) -> list[int]:
    """Numbers of the refusal when `key` signs in; none when it is let in."""
    assertion = key.assertion(workload.app_id, server.token_endpoint(tenant))
    fields = form(workload.app_id, client_assertion_type=ASSERTION_TYPE, client_assertion=assertion)
    response = await post(http, server, tenant, fields)
    return response.json().get("error_codes", [])


# Secrets.


async def test_a_secret_is_told_once(graph: GraphServiceClient, workload: Workload):
    made = await graphs.new_secret(graph, workload.object_id)
    assert re.fullmatch(r"[A-Za-z0-9_.~-]{3}\dQ~[A-Za-z0-9_.~-]{34}", made.secret_text)
    assert made.hint == made.secret_text[:3]
    assert made.key_id and made.display_name == "test"
    application = await graph.applications.by_application_id(workload.object_id).get()
    [found] = [secret for secret in application.password_credentials if secret.key_id == made.key_id]
    assert found.secret_text is None
    assert (found.hint, found.end_date_time) == (made.hint, made.end_date_time)


async def test_a_secret_holds_for_two_years(graph: GraphServiceClient, workload: Workload):
    made = await graphs.new_secret(graph, workload.object_id)
    assert datetime.timedelta(days=729) < made.end_date_time - made.start_date_time < datetime.timedelta(days=732)


async def test_a_secret_with_an_end(graph: GraphServiceClient, workload: Workload):
    end = datetime.datetime(2099, 12, 31, tzinfo=datetime.UTC)
    made = await graphs.new_secret(graph, workload.object_id, end_date_time=end)
    assert made.end_date_time == end


async def test_a_secret_from_its_first_to_its_last_moment(
    graph: GraphServiceClient, http: httpx.AsyncClient, server: Server, contoso: Tenant, workload: Workload
):
    secret = await graphs.new_secret(graph, workload.object_id)
    assert await token(http, server, contoso, workload.app_id, secret.secret_text)
    await graph.applications.by_application_id(workload.object_id).remove_password.post(
        RemovePasswordPostRequestBody(key_id=secret.key_id)
    )
    response = await post(http, server, contoso, form(workload.app_id, client_secret=secret.secret_text))
    assert (response.status_code, response.json()["error_codes"]) == (401, [7000215])
    assert await token(http, server, contoso, workload.app_id, workload.secret), "the other secret still holds"


async def test_two_secrets_hold_at_the_same_time(
    graph: GraphServiceClient, http: httpx.AsyncClient, server: Server, contoso: Tenant, workload: Workload
):
    """So that a secret can be changed without a pause."""
    second = await graphs.new_secret(graph, workload.object_id)
    for secret in [workload.secret, second.secret_text]:
        assert await token(http, server, contoso, workload.app_id, secret)


async def test_a_secret_of_the_service_principal(
    graph: GraphServiceClient, http: httpx.AsyncClient, server: Server, contoso: Tenant, workload: Workload
):
    made = await graph.service_principals.by_service_principal_id(workload.service_principal_id).add_password.post(
        AddPasswordPostRequestBody(password_credential=PasswordCredential(display_name="own"))
    )
    assert await token(http, server, contoso, workload.app_id, made.secret_text)


async def test_a_secret_that_is_not_there_cannot_be_removed(graph: GraphServiceClient, workload: Workload):
    with pytest.raises(ODataError) as error:
        await graph.applications.by_application_id(workload.object_id).remove_password.post(
            RemovePasswordPostRequestBody(key_id=uuid.uuid4())
        )
    assert error.value.response_status_code in (400, 404)


# Certificates.


async def test_the_first_certificate_comes_by_patch(
    graph: GraphServiceClient, http: httpx.AsyncClient, server: Server, contoso: Tenant, workload: Workload
):
    key = Key()
    [found] = await graphs.set_certificates(graph, workload.object_id, key)
    assert found.key_id and found.type == "AsymmetricX509Cert" and found.usage == "Verify"
    assert found.end_date_time == key.certificate.not_valid_after_utc
    assert await codes_with_key(http, server, contoso, workload, key) == []


async def test_a_list_never_holds_keys(graph: GraphServiceClient, workload: Workload):
    await graphs.set_certificates(graph, workload.object_id, Key())
    [found] = (await graph.applications.by_application_id(workload.object_id).get()).key_credentials
    assert found.key is None
    assert found.custom_key_identifier, "the thumbprint is public"


async def test_the_key_is_given_to_whoever_asks_for_it_by_name(graph: GraphServiceClient, workload: Workload):
    key = Key()
    [found] = await graphs.set_certificates(graph, workload.object_id, key)
    assert found.key == key.der


async def test_a_certificate_that_stays_is_sent_without_its_key(
    graph: GraphServiceClient, http: httpx.AsyncClient, server: Server, contoso: Tenant, workload: Workload
):
    first, second = Key("first"), Key("second")
    await graphs.set_certificates(graph, workload.object_id, first)
    item = graph.applications.by_application_id(workload.object_id)
    kept = (await item.get()).key_credentials
    await item.patch(Application(key_credentials=[*kept, graphs.key_credential(second)]))
    assert len((await item.get()).key_credentials) == 2
    for key in [first, second]:
        assert await codes_with_key(http, server, contoso, workload, key) == []


async def test_a_certificate_that_is_left_out_is_gone(
    graph: GraphServiceClient, http: httpx.AsyncClient, server: Server, contoso: Tenant, workload: Workload
):
    old, new = Key("old"), Key("new")
    await graphs.set_certificates(graph, workload.object_id, old)
    await graphs.set_certificates(graph, workload.object_id, new)
    assert await codes_with_key(http, server, contoso, workload, old) == [700027]
    assert await codes_with_key(http, server, contoso, workload, new) == []


async def test_a_certificate_that_is_none(graph: GraphServiceClient, workload: Workload):
    broken = KeyCredential(type="AsymmetricX509Cert", usage="Verify", key=b"no certificate")
    with pytest.raises(ODataError) as error:
        await graph.applications.by_application_id(workload.object_id).patch(Application(key_credentials=[broken]))
    assert error.value.response_status_code == 400


def rolled(key: Key, proof: str) -> AddKeyPostRequestBody:
    return AddKeyPostRequestBody(key_credential=graphs.key_credential(key), proof=proof)


async def test_a_key_is_rolled_with_a_proof_of_the_one_before(
    graph: GraphServiceClient, http: httpx.AsyncClient, server: Server, contoso: Tenant, workload: Workload
):
    old, new = Key("old"), Key("new")
    [registered] = await graphs.set_certificates(graph, workload.object_id, old)
    item = graph.applications.by_application_id(workload.object_id)
    added = await item.add_key.post(rolled(new, old.proof(workload.object_id)))
    assert added.key_id and added.key_id != registered.key_id
    assert await codes_with_key(http, server, contoso, workload, new) == []
    await item.remove_key.post(
        RemoveKeyPostRequestBody(key_id=registered.key_id, proof=new.proof(workload.object_id))
    )
    assert await codes_with_key(http, server, contoso, workload, old) == [700027]
    assert await codes_with_key(http, server, contoso, workload, new) == []


async def test_an_application_rolls_its_own_key_without_any_permission(
    graph: GraphServiceClient, server: Server, contoso: Tenant, workload: Workload
):
    old, new = Key("old"), Key("new")
    await graphs.set_certificates(graph, workload.object_id, old)
    async with graphs.signed_in(server, contoso, workload.app_id, workload.secret) as own:
        await own.applications.by_application_id(workload.object_id).add_key.post(
            rolled(new, old.proof(workload.object_id))
        )
    found = await graph.applications.by_application_id(workload.object_id).get()
    assert len(found.key_credentials) == 2


@pytest.mark.parametrize("flaw", ["other key", "other application", "expired", "other audience", "nothing"])
async def test_a_proof_that_proves_nothing(graph: GraphServiceClient, workload: Workload, flaw: str):
    old = Key("old")
    await graphs.set_certificates(graph, workload.object_id, old)
    proof = {
        "other key": lambda: Key().proof(workload.object_id),
        "other application": lambda: old.proof(str(uuid.uuid4())),
        "expired": lambda: old.proof(workload.object_id, nbf=1_600_000_000, exp=1_600_000_600),
        "other audience": lambda: old.proof(workload.object_id, aud="00000003-0000-0000-c000-000000000000"),
        "nothing": lambda: "",
    }[flaw]()
    item = graph.applications.by_application_id(workload.object_id)
    with pytest.raises(ODataError) as error:
        await item.add_key.post(rolled(Key("new"), proof))
    assert error.value.response_status_code in (400, 401, 403)
    assert len((await item.get()).key_credentials) == 1


async def test_the_token_says_how_the_client_proved_itself(
    graph: GraphServiceClient, http: httpx.AsyncClient, server: Server, contoso: Tenant, workload: Workload
):
    assert claims(await token(http, server, contoso, workload.app_id, workload.secret))["appidacr"] == "1"
    key = Key()
    await graphs.set_certificates(graph, workload.object_id, key)
    assertion = key.assertion(workload.app_id, server.token_endpoint(contoso))
    fields = form(workload.app_id, client_assertion_type=ASSERTION_TYPE, client_assertion=assertion)
    response = await post(http, server, contoso, fields)
    assert claims(response.json()["access_token"])["appidacr"] == "2"
