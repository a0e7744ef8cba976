"""Runs a command while a server runs that it may test: `python with_server.py node --test …`.

Once for each database. The command finds what it needs in its environment:

CLIENTS_AUTHORITY             https://localhost:PORT, also the root of Graph
CLIENTS_CA                    path of the certificate to trust
CLIENTS_TENANT_ID             Contoso, with an application that may do everything:
CLIENTS_CLIENT_ID
CLIENTS_CLIENT_SECRET
CLIENTS_SERVICE_PRINCIPAL_ID
CLIENTS_CERTIFICATE           path of a PEM file with a new RSA key and its certificate, registered nowhere
"""

import os
import subprocess
import sys

from support.keys import Key
from support.server import Server, Unusable, databases, serving


def settings(server: Server) -> dict[str, str]:
    """The environment of the command. Also what makes the command's own clients trust the server."""
    pem = server.folder / "workload.pem"
    pem.write_bytes(Key().pem)
    tenant = server.contoso
    return {
        "CLIENTS_AUTHORITY": server.authority,
        "CLIENTS_CA": server.ca,
        "CLIENTS_TENANT_ID": tenant.id,
        "CLIENTS_CLIENT_ID": tenant.admin.client_id,
        "CLIENTS_CLIENT_SECRET": tenant.admin.secret,
        "CLIENTS_SERVICE_PRINCIPAL_ID": tenant.admin.service_principal_id,
        "CLIENTS_CERTIFICATE": str(pem),
        "NODE_EXTRA_CA_CERTS": server.ca,
        "SSL_CERT_FILE": server.ca,
        "NO_PROXY": "localhost,127.0.0.1",
        "no_proxy": "localhost,127.0.0.1",
    }


def main(command: list[str]) -> int:
    if not command:
        print(__doc__, file=sys.stderr)
        return 2
    status = 0
    for kind in databases():
        print(f"--- {os.path.basename(command[0])} on {kind}", flush=True)
        try:
            with serving(kind) as server:
                inherited = {name: value for name, value in os.environ.items() if not name.startswith("AZURE_")}
                status = subprocess.run(command, env=inherited | settings(server)).returncode or status
        except (Unusable, AssertionError) as error:
            print(f"error: {error}", file=sys.stderr)
            return 3
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
