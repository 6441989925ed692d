"""infra/publish.sh deploys what was built, by the request that azd makes too."""

import json
import os
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from tests.infra.compiler import INFRA

STARTED = (202, json.dumps("d1"))
RUNNING, DONE, FAILED = ((200, json.dumps({"status": status})) for status in (2, 4, 3))
GONE = (404, "")
BUSY = (503, "The service is unavailable.")


@dataclass
class Service:
    """A stand-in for the publishing service, with its answers in order."""

    answers: list[tuple[int, str]] = field(default_factory=list)
    requests: list[tuple[str, str, str | None, bytes]] = field(default_factory=list)
    address: str = ""
    authority: str = ""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    state = Service()

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            state.requests.append((self.command, self.path, self.headers["Authorization"], body))
            status, text = state.answers.pop(0)
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = _serve  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    (tmp_path / "ca.pem").write_bytes(authority.cert_pem.bytes())
    state.address, state.authority = f"localhost:{server.server_port}", str(tmp_path / "ca.pem")
    yield state
    server.shutdown()
    server.server_close()


def publish(service: Service, directory: Path) -> subprocess.CompletedProcess[str]:
    """Runs the script, with an `az` that knows the site and a token."""
    az = directory / "bin" / "az"
    az.parent.mkdir()
    az.write_text(
        f'#!/bin/sh\ncase "$*" in *token*) echo t0ken ;; *) echo {service.address} ;; esac\n'
    )
    az.chmod(0o755)
    (directory / "package.zip").write_bytes(b"PK what was built")
    environment = {
        "PATH": f"{az.parent}:{os.environ['PATH']}",
        "CURL_CA_BUNDLE": service.authority,
        "AZURE_RESOURCE_GROUP": "rg-carts-shop",
        "FUNCTION_APP_NAME": "func-carts-x",
        "PUBLISH_PAUSE": "0",
        "PUBLISH_POLL": "0",
    }
    return subprocess.run(
        [INFRA / "publish.sh", directory / "package.zip"],
        env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_what_was_built_is_deployed_and_nothing_is_built_there(
    service: Service, tmp_path: Path
) -> None:
    service.answers = [STARTED, GONE, RUNNING, DONE]

    done = publish(service, tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    assert service.requests[0] == (
        *("POST", "/api/publish?RemoteBuild=false", "Bearer t0ken", b"PK what was built"),
    )
    assert {each[:3] for each in service.requests[1:]} == {
        ("GET", "/api/deployments/d1", "Bearer t0ken")
    }
    assert service.answers == []


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ([BUSY, (403, "no role yet"), STARTED, DONE], 0),
        ([STARTED, FAILED, STARTED, RUNNING, GONE], 0),  # gone after it was seen: it is done
        ([BUSY] * 5, 1),
        ([STARTED, FAILED] * 5, 1),
    ],
)
def test_a_deployment_is_tried_again_and_fails_in_the_end(
    answers: list[tuple[int, str]], code: int, service: Service, tmp_path: Path
) -> None:
    service.answers = list(answers)

    done = publish(service, tmp_path)

    assert (done.returncode, service.answers) == (code, [])
    assert "t0ken" not in done.stdout + done.stderr
