"""The whole chain as a caller meets it: a local cloud, and a function process led into it."""

import json
import re
import shutil
import socket
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from partner_center_emulator.cloud import LocalCloud
from partner_center_emulator.network.certificates import application_certificate
from partner_center_emulator.watch.journal import Arrival

from local.environment import app_environment
from local.function_process import ROOT, FunctionProcess

CUSTOMER = "d6bf25b7-e0a8-4f2d-a31b-97b55cfc774d"
ITEM = "DG7GMGF0DWTL:0001:DG7GMGF0DSJB"
MARKER = "a-marker-in-the-friendly-name"
USER = "megan.bowen@a-customer.example"
"""The customer's user who gets the licences: nothing that comes out may name them."""
FOR_USER = {"x-ms-customeruser-upn": USER}
FUNCTION_KEY = "planted-function-key-Zx81"
GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_JWT = re.compile(r"eyJ[\w-]{8,}\.eyJ[\w-]{8,}")
NOTHING: dict[str, int] = {}
"""The calls of a request that stays inside the function."""


def line(**members: Any) -> dict[str, Any]:
    """A line item that needs nothing more."""
    return {"catalogItemId": ITEM, "quantity": 1, "billingCycle": "one_time", **members}


def cart(**members: Any) -> dict[str, Any]:
    """A cart of one line, recognisable in logs."""
    return {"lineItems": [line(friendlyName=MARKER, **members)]}


class Chain:
    """One function process in its local cloud, with everything that came out of it so far."""

    def __init__(
        self, cloud: LocalCloud, function: FunctionProcess, client: httpx.Client, guard_log: Path
    ) -> None:
        self.cloud = cloud
        self.function = function
        self.expected_hosts = {
            "login.microsoftonline.com",
            "carts-demo.vault.azure.net",
            "api.partnercenter.microsoft.com",
        }
        self._client = client
        self._guard_log = guard_log
        self._answers: list[tuple[int, str]] = []
        self._secrets = {FUNCTION_KEY, cloud.identity.header, *_private_key_lines()}
        self._hosts: set[str] = set()

    def post(
        self,
        body: Any = None,
        *,
        customer: str = CUSTOMER,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Post a cart with the function key; bytes and str go out as they are."""
        body = body if isinstance(body, bytes | str) else body or cart()
        return self.ask("POST", "carts", body, customer=customer, headers=headers)

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        customer: str = CUSTOMER,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Ask for something of a customer with the function key; bytes and str go out as are."""
        given = {"x-functions-key": FUNCTION_KEY}
        content: bytes | str = b""
        if body is not None:
            given["Content-Type"] = "application/json"
            content = body if isinstance(body, bytes | str) else json.dumps(body)
        path = f"/api/customers/{customer}/{path}"
        return self.send(method, path, {**given, **(headers or {})}, content)

    def check_out(self, cart_id: str, **how: Any) -> httpx.Response:
        """Buy a cart."""
        return self.ask("POST", f"carts/{cart_id}/checkout", **how)

    def order(self, key: str | None, body: Any = None, **how: Any) -> httpx.Response:
        """Place an order under a key."""
        headers = {**({"Idempotency-Key": key} if key else {}), **how.pop("headers", {})}
        return self.ask("POST", "orders", body or cart(), headers=headers, **how)

    def send(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        content: str | bytes = b"",
    ) -> httpx.Response:
        """One request to the function, with nothing added."""
        answer = self._client.request(method, path, headers=headers, content=content)
        self.heard(answer)
        return answer

    def heard(self, answer: httpx.Response) -> None:
        """Remember an answer for the search for secrets."""
        self._answers.append((answer.status_code, f"{answer.headers!r}\n{answer.text}"))

    def raw(self, request: bytes) -> tuple[int, bytes]:
        """Send bytes that no client library would; status and body of the answer.

        They must make the server close the connection.
        """
        address = urlsplit(self.function.url)
        with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
            connection.sendall(request)
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        self._answers.append((0, answer.decode("latin-1")))
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), body

    def healthy(self) -> bool:
        """Whether the process lives on."""
        return self.send("GET", "/api/health").status_code == 200

    def calls(self) -> dict[str, int]:
        """How many requests each service received since the last `forget`."""
        return dict(self.cloud.journal.counts)

    def sent(self) -> list[Arrival]:
        """What Partner Center received since the last `forget`."""
        return self.cloud.journal.requests("partner_center")

    def forget(self) -> None:
        """Empty the cloud's carts, journal and faults; remember which secrets went around."""
        self._note()
        self.cloud.reset()

    def output(self) -> str:
        """All that the process has written to its standard streams."""
        return self.function.output()

    def leaks(self) -> list[str]:
        """What came out that must not: each secret's place and first characters."""
        self._note()
        output = self.output()
        found = [f"log: {text[:12]}" for text in _found(self._secrets | {MARKER, USER}, output)]
        for status, answer in self._answers:
            hidden = self._secrets | {USER} | ({MARKER} if status >= 400 else set())
            found += [f"answer {status}: {text[:12]}" for text in _found(hidden, answer)]
        return found

    def secrets(self) -> frozenset[str]:
        """Everything that counts as secret and has gone around so far."""
        self._note()
        return frozenset(self._secrets)

    def strangers(self) -> list[str]:
        """Connections that should not be: off loopback, or to a host that nobody expects."""
        self._note()
        tried = self._guard_log.read_text("utf-8").splitlines()
        return [entry for entry in tried if not entry.startswith("allowed ")] + sorted(
            self._hosts - self.expected_hosts
        )

    def connected(self) -> bool:
        """Whether the guard saw the process connect to anything at all."""
        return "allowed ('127.0.0.1'" in self._guard_log.read_text("utf-8")

    def _note(self) -> None:
        self._hosts |= {connection.host for connection in list(self.cloud.proxy.connections)}
        self._secrets |= self.cloud.entra.client_secrets | set(self.cloud.entra.refresh_tokens)
        for secrets in self.cloud.key_vault.vaults.values():
            self._secrets |= {version.value for kept in secrets.values() for version in kept}
        for arrival in self.cloud.journal.requests():
            scheme, _, token = arrival.headers.get("authorization", "").partition(" ")
            if scheme == "Bearer":
                self._secrets.add(token)
            if arrival.service == "entra":
                form = parse_qs(arrival.body.decode("utf-8", "replace"))
                for name in ("client_secret", "client_assertion", "refresh_token"):
                    self._secrets |= set(form.get(name, []))


def patched_app(directory: Path, *statements: str) -> Path:
    """A directory with the real app, loaded after `statements` have changed something in it."""
    real = ROOT / "function_app.py"
    source = ["import runpy", *statements, f"app = runpy.run_path({str(real)!r})['app']", ""]
    (directory / "function_app.py").write_text("\n".join(source), "utf-8")
    shutil.copy(ROOT / "host.json", directory)
    return directory


def hasty_app(directory: Path, try_timeout: float = 60.0) -> Path:
    """The real app with two tries at most, hardly a pause between them, and so long for each.

    That there was no token just now is no reason not to ask for one again.
    """
    changes = {
        "MAX_TRIES": 2,
        "BACKOFF_FIRST": 0.01,
        "TRY_TIMEOUT": try_timeout,
    }
    return patched_app(
        directory,
        "from cart_core import tokens",
        "from cart_core.partner_center import retry",
        f"assert {set(changes)} <= set(vars(retry))",
        f"vars(retry).update({changes})",
        "assert tokens.BRIEF",
        "tokens.BRIEF = 0.0",
    )


def brisk_app(directory: Path) -> Path:
    """The real app with hardly a pause between its tries, and before it checks out again."""
    return patched_app(
        directory,
        "from cart_core.partner_center import retry",
        "from cart_core.use_cases import buying",
        "assert len(buying.PAUSES) == 5",
        "buying.PAUSES = (0.01,) * 5",
        "assert retry.BACKOFF_FIRST",
        "retry.BACKOFF_FIRST = 0.01",
    )


@contextmanager
def started(app_dir: Path = ROOT, **settings: str | None) -> Iterator[Chain]:
    """A cloud of its own and a process in it; `settings` change its environment (None drops one).

    At the end nothing secret may have come out of the process, and no connection left loopback.
    """
    with (
        LocalCloud.in_thread() as cloud,
        tempfile.TemporaryDirectory() as directory,
    ):
        guard_log = Path(directory) / "connections"
        environment = app_environment(
            cloud, FUNCTIONS_KEY=FUNCTION_KEY, LOOPBACK_GUARD_LOG=str(guard_log), **settings
        )
        with (
            FunctionProcess(environment, app_dir=app_dir, log_level="DEBUG") as function,
            httpx.Client(base_url=function.url, trust_env=False, timeout=60) as client,
        ):
            chain = Chain(cloud, function, client, guard_log)
            yield chain
            assert chain.leaks() == []
            assert chain.strangers() == []
            assert function.stop() == 0


def _found(hidden: Iterable[str], text: str) -> list[str]:
    """Which of the hidden texts are in a text, and whatever looks like a JWT."""
    return [each for each in hidden if each in text] + _JWT.findall(text)


@cache
def _private_key_lines() -> frozenset[str]:
    """The application's private key in both PEM forms, without what every key has in common."""
    key = load_pem_private_key(application_certificate().pem.encode(), None)
    texts = [
        key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()
        for form in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL)
    ]
    return frozenset(
        piece for text in texts for piece in text.splitlines()[1:-1] if len(piece) == 64
    )


def problem(answer: httpx.Response) -> dict[str, Any]:
    """The body of an error answer, once its shape is right."""
    document: dict[str, Any] = answer.json()
    assert list(document) == [
        "type",
        "title",
        "status",
        "detail",
        "instance",
        "code",
        "errors",
        "requestId",
        "correlationId",
        "retryable",
        "outcome",
        "partnerCenter",
        "cart",
        "orderErrors",
    ]
    assert document["status"] == answer.status_code
    assert document["title"]
    assert document["detail"]
    assert document["correlationId"] == answer.headers["MS-CorrelationId"]
    assert document["requestId"] == answer.headers.get("MS-RequestId")
    assert answer.headers["Content-Type"] == "application/json"
    return document
