"""The tenant itself."""

from msgraph import GraphServiceClient

from support import graph as graphs
from support.server import Server, Tenant


async def test_the_organization(graph: GraphServiceClient, contoso: Tenant):
    [found] = (await graph.organization.get()).value
    assert (found.id, found.display_name) == (contoso.id, "Contoso")
    assert contoso.domain in {domain.name for domain in found.verified_domains}


async def test_each_tenant_is_its_own_organization(server: Server, fabrikam: Tenant):
    async with graphs.signed_in(server, fabrikam, fabrikam.admin.client_id, fabrikam.admin.secret) as other:
        [found] = (await other.organization.get()).value
    assert (found.id, found.display_name) == (fabrikam.id, "Fabrikam")


async def test_licences(graph: GraphServiceClient):
    """Programs look here to learn whether risk is worth asking for."""
    found = (await graph.subscribed_skus.get()).value
    assert found
    for sku in found:
        assert sku.sku_part_number and sku.sku_id
        assert sku.capability_status == "Enabled"


async def test_the_admin_app_is_in_the_directory(graph: GraphServiceClient, contoso: Tenant):
    admin = contoso.admin
    application = await graph.applications_with_app_id(admin.client_id).get()
    principal = await graph.service_principals_with_app_id(admin.client_id).get()
    assert (application.id, principal.id) == (admin.object_id, admin.service_principal_id)
