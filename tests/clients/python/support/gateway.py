"""An API that knows nothing of tokens, behind nginx, which asks the server about each request (`auth_request`)."""

import json
import os
import shutil
import socket
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlencode

from support.server import Server, Unusable, free_port

# What an operator writes. The second `location` is the whole of the protection.
CONFIGURATION = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log info;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;

    upstream countersign {{ server 127.0.0.1:{server_port}; keepalive 8; }}

    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {folder}/gateway.pem;
        ssl_certificate_key {folder}/gateway.pem;

        location / {{
            auth_request /_check;
            auth_request_set $tenant $upstream_http_x_countersign_tenant;
            auth_request_set $client $upstream_http_x_countersign_client;
            auth_request_set $principal $upstream_http_x_countersign_principal;
            auth_request_set $roles $upstream_http_x_countersign_roles;
            # What the client wrote under these names is replaced, with nothing if need be.
            proxy_set_header X-Countersign-Tenant $tenant;
            proxy_set_header X-Countersign-Client $client;
            proxy_set_header X-Countersign-Principal $principal;
            proxy_set_header X-Countersign-Roles $roles;
            proxy_set_header Authorization "";
            proxy_pass http://127.0.0.1:{api_port};
        }}

        location = /_check {{
            internal;
            proxy_pass https://countersign/access/check?{question};
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
            proxy_set_header Host localhost:{server_port};
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_ssl_name localhost;
            proxy_ssl_server_name on;
            proxy_ssl_verify on;
            proxy_ssl_trusted_certificate {ca};
        }}
    }}
}}
"""


class Api:
    """Answers each request with what it saw of it."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                api.requests.append(f"{self.command} {self.path}")
                headers = {name.lower(): value for name, value in self.headers.items()}
                seen = json.dumps({"headers": headers, "body": body.decode(), "path": self.path}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(seen)))
                self.end_headers()
                self.wfile.write(seen)

            do_GET = do_POST = do_DELETE = answer

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Gateway:
    """nginx in front of the API, until `close`. `question` is the query of `/access/check`."""

    def __init__(self, server: Server, folder: Path, question: list[tuple[str, str]]) -> None:
        nginx = shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
        if nginx is None:
            raise Unusable("nginx is missing; it comes with the package: nginx")
        self.api = Api()
        self.port = free_port()
        (folder / "gateway.pem").write_bytes(server.issuers.server_pem())
        configuration = folder / "nginx.conf"
        configuration.write_text(
            CONFIGURATION.format(
                folder=folder, port=self.port, server_port=server.port, api_port=self.api.port, ca=server.ca,
                question=urlencode(question),
            )
        )
        self.log = folder / "error.log"
        self.process = subprocess.Popen(
            [nginx, "-c", str(configuration), "-p", str(folder), "-e", str(self.log)], stdin=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 10
        while True:
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.close()
                raise Unusable(f"nginx does not run: {self.log.read_text()}")
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.05)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10)
        self.api.close()
