"""Streams of security events, and a machine on which their receivers listen."""

import contextlib
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx

from support import graph as graphs
from support.access import Setting
from support.graph import Workload
from support.receiver import (
    ACCOUNT_DISABLED, ACCOUNT_ENABLED, ACCOUNT_PURGED, CREDENTIAL_CHANGE, CREDENTIAL_COMPROMISE, PUSH,
    RISK_LEVEL_CHANGE, SESSION_REVOKED, TOKEN_CLAIMS_CHANGE, Receiver, Stream, keys_of,
)
from support.server import Tenant
from support.tokens import token

READ, WRITE = "SharedSignals.Read.All", "SharedSignals.ReadWrite.All"
EVENTS = [
    SESSION_REVOKED, CREDENTIAL_CHANGE, RISK_LEVEL_CHANGE, TOKEN_CLAIMS_CHANGE, ACCOUNT_DISABLED, ACCOUNT_ENABLED,
    ACCOUNT_PURGED, CREDENTIAL_COMPROMISE,
]
SECRET = "Bearer of the receiver's own choice"


@dataclass
class Signals:
    """A server that transmits, and a machine on which receivers listen."""

    setting: Setting
    receiver: Receiver
    configuration: dict
    keys: dict
    exits: contextlib.AsyncExitStack
    streams: list[Stream] = field(default_factory=list)

    async def client(self, *permissions: str) -> httpx.AsyncClient:
        """Signed in as a receiver's client, by default one that may have streams."""
        setting = self.setting
        caller = await setting.workload("receiver", *(permissions or [WRITE]))
        text = await token(setting.nobody, setting.server, setting.tenant, caller.app_id, caller.secret)
        return await self.exits.enter_async_context(
            httpx.AsyncClient(
                verify=graphs.tls(setting.server), timeout=60, trust_env=False,
                headers={"Authorization": f"Bearer {text}"},
            )
        )

    def push(self, path: str) -> dict:
        return {"method": PUSH, "endpoint_url": f"{self.receiver.url}{path}", "authorization_header": SECRET}

    async def stream(self, *events: str, poll: bool = False, **more: object) -> Stream:
        """A new stream of a new receiver."""
        http, path = await self.client(), f"/{uuid.uuid4()}"
        body = {"events_requested": list(events or EVENTS), "description": "test"} | more
        if not poll:
            body["delivery"] = self.push(path)
        response = await http.post(self.configuration["configuration_endpoint"], json=body)
        assert response.status_code == 201, response.text
        self.streams.append(Stream(http, self.configuration, self.keys, response.json(), self.receiver, path))
        return self.streams[-1]

    async def end(self) -> None:
        """Deletes the streams of a test, so that the next one does not wait for their receivers."""
        while self.streams:
            stream = self.streams.pop()
            await stream.http.delete(self.configuration["configuration_endpoint"], params={"stream_id": stream.id})

    def subject(self, workload: Workload) -> dict:
        """§6, the proposal for service principals."""
        return {
            "format": "complex",
            "application": {
                "format": "iss_sub", "iss": self.configuration["issuer"], "sub": workload.service_principal_id,
            },
            "tenant": {"format": "opaque", "id": self.setting.tenant.id},
        }


def well_known(tenant: Tenant) -> str:
    """§5: the path of the issuer goes behind the well-known one."""
    return f"/.well-known/ssf-configuration/{tenant.id}/v2.0"


@contextlib.asynccontextmanager
async def signalling(setting: Setting) -> AsyncIterator[Signals]:
    receiver = Receiver(setting.server.issuers, setting.server.folder)
    try:
        async with contextlib.AsyncExitStack() as exits:
            response = await setting.nobody.get(well_known(setting.tenant))
            assert response.status_code == 200, response.text
            keys = await keys_of(setting.nobody, response.json())
            yield Signals(setting, receiver, response.json(), keys, exits)
    finally:
        receiver.close()
