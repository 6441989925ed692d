"""The whole chain as a caller meets it: a local cloud, and a function process led into it."""

import json
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from datetime import timedelta
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
from partner_center_emulator.partner_center import catalogue
from partner_center_emulator.watch.journal import Arrival

from cart_core import __version__
from local.environment import app_environment
from local.function_process import ROOT, FunctionProcess

CUSTOMER = "d6bf25b7-e0a8-4f2d-a31b-97b55cfc774d"
UNKNOWN_CART = "11111111-1111-4111-8111-111111111111"
ITEM = catalogue.RESERVATION
UNKNOWN_ITEM = "NOBODYKNOWS0:0001:NOBODYKNOWS0"
MARKER = "a-marker-in-the-friendly-name"
USER = "megan.bowen@a-customer.example"
"""The customer's user who gets the licences. No log, no record and no answer may name them."""
FOR_USER = {"x-ms-customeruser-upn": USER}
FUNCTION_KEY = "planted-function-key-Zx81"
KEY_HEADER = {"x-functions-key": FUNCTION_KEY}
TEXT_OF_FAILURE = "a-secret-in-the-text-of-an-exception"
GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
BY_ITSELF_NOTHING = {
    f"AzureWebJobs.{name}.Disabled": "true"
    for name in ("rotate_refresh_token", "sweep_operations", "work_off")
}
"""Switches off the functions that a timer or a queue starts."""
NO_CALLS: dict[str, int] = {}
"""What `Chain.calls` gives for a request that the function answers on its own."""
WAIT_SECONDS = 120.0
"""After this long `until` gives up. It only keeps a failed test from hanging."""

_JWT = re.compile(r"eyJ[\w-]{8,}\.eyJ[\w-]{8,}")
_DEFECT = re.compile(
    r"^.*(?:exception was never retrieved|was destroyed but it is pending|was never awaited"
    r"|Exception in callback|Exception ignored in|unexpected \w+, correlation id"
    r"|Function \w+ failed)(?:.*\n)(?:[ \t].*\n)*",
    re.MULTILINE,
)


def defects(log: str) -> list[str]:
    """The log's entries on exceptions that nobody handled: in a task, a callback or a function."""
    return _DEFECT.findall(log)


def line(**members: Any) -> dict[str, Any]:
    """A line item that needs nothing more."""
    return {"catalogItemId": ITEM, "quantity": 1, "billingCycle": "one_time", **members}


def licence(item: str = catalogue.BUSINESS_BASIC, **members: Any) -> dict[str, Any]:
    """A line item with a licence."""
    paid = {"billingCycle": "monthly", "termDuration": "P1Y"}
    return line(catalogItemId=item, **{**paid, **members})


def cart(*lines: dict[str, Any], **members: Any) -> dict[str, Any]:
    """A cart of these lines. Without lines: of one, with these members, recognisable in logs."""
    return {"lineItems": list(lines) or [line(friendlyName=MARKER, **members)]}


def until(condition: Callable[[], object]) -> None:
    """Wait until a condition is true. Fails after WAIT_SECONDS."""
    give_up = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < give_up, "the condition did not come true"
        time.sleep(0.01)


@contextmanager
def closed_port() -> Iterator[int]:
    """A loopback port that refuses connections: it is taken, but nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def environment(cloud: LocalCloud, **settings: str | None) -> dict[str, str]:
    """The environment of a function process in a cloud, with the tests' function key.

    The tests of one process order the same again and again, and mean it. Nothing happens by itself,
    because tests count requests to storage and read the log.
    """
    defaults: dict[str, str | None] = {"CART_DUPLICATE_ORDERS": "ignore", **BY_ITSELF_NOTHING}
    return app_environment(cloud, FUNCTIONS_KEY=FUNCTION_KEY, **(defaults | settings))


def operations(arrivals: Iterable[Arrival]) -> list[str]:
    """What was asked of Partner Center, in words: create, get, update or checkout."""
    words = {"GET": "get", "PUT": "update", "POST": "create"}
    return [
        "checkout" if arrival.path.endswith("/checkout") else words[arrival.method]
        for arrival in arrivals
    ]


def request_ids(arrivals: Iterable[Arrival]) -> set[str]:
    """The MS-RequestIds of calls to Partner Center."""
    return {arrival.headers["ms-requestid"] for arrival in arrivals}


def check_request(
    arrival: Arrival, answer: httpx.Response, correlation_id: str, **headers: str
) -> None:
    """Check all headers of a call to Partner Center, and the ids in our answer to it.

    `headers` are those that are not as usual, with underscores in their names.
    """
    sent = dict(arrival.headers)
    scheme, _, token = sent.pop("authorization").partition(" ")
    assert scheme == "Bearer"
    assert _JWT.match(token)
    request_id = sent.pop("ms-requestid")
    assert GUID.fullmatch(request_id)
    usual = {
        "host": "api.partnercenter.microsoft.com",
        "accept": "application/json",
        "accept-encoding": "identity",
        "ms-correlationid": correlation_id,
        "x-locale": "en-US",
        "ms-partnercenter-application": "partner-center-carts",
        "user-agent": f"cart-core/{__version__}",
    }
    if arrival.method != "GET":
        usual["content-length"] = str(len(arrival.body))
    if arrival.body:
        usual["content-type"] = "application/json"
    assert sent == usual | {name.replace("_", "-"): value for name, value in headers.items()}
    ids = {name: value for name, value in answer.headers.items() if name.startswith("ms-")}
    assert ids.pop("ms-cv")
    assert ids == {
        "ms-requestid": request_id,
        "ms-correlationid": correlation_id,
        "ms-serverid": "000001",
    }
    assert answer.headers["Content-Type"] == "application/json"


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
        if cloud.storage:
            self.expected_hosts.add(cloud.storage.host)
        self.expected_defects: list[str] = []
        """Texts of unhandled exceptions in the log that belong to the test."""
        self._client = client
        self._guard_log = guard_log
        self._answers: list[tuple[int, str]] = []
        self._secrets = {FUNCTION_KEY, cloud.identity.header, *_private_key_lines()}
        self._hosts: set[str] = set()

    def post(self, body: Any = None, **how: Any) -> httpx.Response:
        """Post a cart (see `ask`), or a good one where none is given."""
        return self.ask("POST", "carts", cart() if body is None else body, **how)

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
        given = dict(KEY_HEADER)
        content: bytes | str = b""
        if body is not None:
            given["Content-Type"] = "application/json"
            content = body if isinstance(body, bytes | str) else json.dumps(body)
        path = f"/api/customers/{customer}/{path}"
        return self.send(method, path, {**given, **(headers or {})}, content)

    def get(self, cart_id: str, **how: Any) -> httpx.Response:
        """Read a cart."""
        return self.ask("GET", f"carts/{cart_id}", **how)

    def put(self, cart_id: str, body: Any, **how: Any) -> httpx.Response:
        """Replace a cart."""
        return self.ask("PUT", f"carts/{cart_id}", body, **how)

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
        self.remember(answer)
        return answer

    def remember(self, answer: httpx.Response) -> None:
        """Keep an answer for the search for secrets at the end."""
        self._answers.append((answer.status_code, f"{answer.headers!r}\n{answer.text}"))

    def raw(self, request: bytes) -> tuple[int, bytes]:
        """Send bytes that no client library would; status and body of the answer.

        They must make the server close the connection.
        """
        with self.connection() as connection:
            connection.sendall(request)
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        self._answers.append((0, answer.decode("latin-1")))
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), body

    def connection(self) -> socket.socket:
        """A connection to the function."""
        address = urlsplit(self.function.url)
        return socket.create_connection((address.hostname, address.port), timeout=WAIT_SECONDS)

    def create(self, *lines: dict[str, Any], **members: Any) -> dict[str, Any]:
        """A cart that exists, as it was answered; the journal is empty afterwards."""
        answer = self.post(cart(*lines, **members))
        assert answer.status_code == 201
        self.cloud.journal.clear()
        document: dict[str, Any] = answer.json()
        return document | {"warnings": []}

    def healthy(self) -> bool:
        """Whether the process lives on."""
        return self.send("GET", "/api/health").status_code == 200

    def calls(self) -> dict[str, int]:
        """How many requests each service received since the last `reset`."""
        return dict(self.cloud.journal.counts)

    def sent(self, operation: str = "") -> list[Arrival]:
        """What Partner Center received since the last `reset`, or what of it was one operation."""
        sent = self.cloud.journal.requests("partner_center")
        return [each for each in sent if operation in ("", *operations([each]))]

    def orders(self) -> list[tuple[str, str]]:
        """Cart and order group of each order that exists."""
        orders = list(self.cloud.partner_center.orders.values())
        return [(order.cart_id, order.order_group) for order in orders]

    def reset(self) -> None:
        """Empty the cloud's carts, journal and disturbances; remember which secrets went around."""
        self._note()
        self.cloud.reset()

    def output(self) -> str:
        """All that the process has written to its standard streams."""
        return self.function.output()

    def leaks(self) -> list[str]:
        """What came out that must not: each secret's place and first characters."""
        self._note()
        leaks = [f"log: {text[:12]}" for text in _in(self.output(), self._secrets | {MARKER, USER})]
        for status, answer in self._answers:
            hidden = self._secrets | {USER} | ({MARKER} if status >= 400 else set())
            leaks += [f"answer {status}: {text[:12]}" for text in _in(answer, hidden)]
        return leaks

    def secrets(self) -> frozenset[str]:
        """Everything that counts as secret and has gone around so far."""
        self._note()
        return frozenset(self._secrets)

    def unexpected_connections(self) -> list[str]:
        """Connections off loopback, and hosts that the function asked for and should not."""
        self._note()
        tried = self._guard_log.read_text("utf-8").splitlines()
        return [entry for entry in tried if not entry.startswith("allowed ")] + sorted(
            self._hosts - self.expected_hosts
        )

    def unexpected_defects(self) -> list[str]:
        """Exceptions that nobody handled, as the log has them, without the expected ones."""
        return [
            defect
            for defect in defects(self.output())
            if not any(expected in defect for expected in self.expected_defects)
        ]

    def connected(self) -> bool:
        """Whether the guard saw the process connect to anything at all."""
        return "allowed ('127.0.0.1'" in self._guard_log.read_text("utf-8")

    def _note(self) -> None:
        self._hosts |= {connection.host for connection in list(self.cloud.proxy.connections)}
        self._secrets |= self.cloud.entra.client_secrets | set(self.cloud.entra.refresh_tokens)
        for secrets in self.cloud.key_vault.vaults.values():
            self._secrets |= {version.value for stored in secrets.values() for version in stored}
        for arrival in self.cloud.journal.requests():
            scheme, _, token = arrival.headers.get("authorization", "").partition(" ")
            if scheme == "Bearer":
                self._secrets.add(token)
            if arrival.service == "entra":
                form = parse_qs(arrival.body.decode("utf-8", "replace"))
                for name in ("client_secret", "client_assertion", "refresh_token"):
                    self._secrets |= set(form.get(name, []))


# --- the app with something changed in it: these name modules and functions of the app ---------


def patched_app(directory: Path, *statements: str) -> Path:
    """A directory with the real app, loaded after `statements` have changed something in it."""
    real = ROOT / "function_app.py"
    source = ["import runpy", *statements, f"app = runpy.run_path({str(real)!r})['app']", ""]
    (directory / "function_app.py").write_text("\n".join(source), "utf-8")
    shutil.copy(ROOT / "host.json", directory)
    return directory


def app_with_tries(directory: Path, tries: int = 2) -> Path:
    """The real app with so many tries at most and hardly a pause between them.

    A token that could not be had is asked for again by the next request.
    """
    return patched_app(
        directory,
        *_setting("partner_center.retry", MAX_TRIES=tries, BACKOFF_FIRST=0.01),
        *_setting("tokens", BRIEF=0.0),
        *_setting("use_cases.purchase", PAUSES=(0.01,) * tries),
    )


def app_in_a_hurry(directory: Path, *, patient: bool = True) -> Path:
    """The real app, which begins at once what it has accepted, and never tries for long.

    It comes back after hardly a pause for what it has put off; if it is not `patient`, not at all.
    """
    return patched_app(
        directory,
        "import datetime",
        *_setting("partner_center.retry", MAX_TRIES=1, BACKOFF_FIRST=0.01),
        *_setting("tokens", BRIEF=0.0),
        *_setting("use_cases.purchase", PAUSES=(0.01,)),
        *_setting("operations.acceptance", FIRST_RING=0.01),
        *_setting("operations.decision", SHORTEST_HANG=0.01),
        *_setting(
            "operations.deferral", FIRST_PAUSE=0.01, LONGEST_PAUSE=0.05, LONGEST_ASKED_PAUSE=0.05
        ),
        *([] if patient else _setting("operations.operation", GIVE_UP_AFTER=timedelta(0))),
    )


def app_with_short_pauses(directory: Path, records_aged: float = 0.0) -> Path:
    """The real app with hardly a pause between its tries, and before it checks out again.

    Storage's clock is so many seconds ahead for it: other processes' leases end early.
    """
    return patched_app(
        directory,
        *_setting("partner_center.retry", BACKOFF_FIRST=0.01),
        *_setting("use_cases.purchase", PAUSES=(0.01,) * 5),
        "from cart_core.adapters import blob_store",
        "true_age = blob_store._age",
        f"blob_store._age = lambda *times: true_age(*times) + {records_aged}",
    )


def app_with_patient_store(directory: Path) -> Path:
    """The real app, which waits for the store's answers as long as a call may take."""
    return patched_app(
        directory, *_setting("adapters.storage_rest", OPERATION_SECONDS=100.0, TRY_SECONDS=100.0)
    )


def app_that_fails(directory: Path) -> Path:
    """The real app, where all behind the routes raises RuntimeError with TEXT_OF_FAILURE."""
    return patched_app(
        directory,
        "from cart_core import composition",
        "from cart_core.api import about",
        f"text = {TEXT_OF_FAILURE!r}",
        "async def fail(request, invocation):",
        "    raise RuntimeError(text)",
        "assert composition.endpoint",
        "composition.endpoint = lambda name: fail",
        "about.get_health = about.get_openapi = fail",
    )


def app_with_health(directory: Path, *statements: str) -> Path:
    """The real app, where asking for its health runs `statements` and answers with `body`."""
    return patched_app(
        directory,
        "import asyncio, contextlib, os, socket, sys",
        "from cart_core.api import about",
        "from cart_core.api.messages import Response",
        "async def get_health(request, invocation):",
        "    body = {}",
        *(f"    {statement}" for statement in statements),
        "    return Response(200, body)",
        "about.get_health = get_health",
    )


def _setting(module: str, **constants: Any) -> list[str]:
    """Statements that change constants of a module, which must exist."""
    name = module.replace(".", "_")
    return [
        f"import cart_core.{module} as {name}",
        f"assert {set(constants)} <= set(vars({name}))",
        f"vars({name}).update({constants})",
    ]


@contextmanager
def started(
    app_dir: Path = ROOT, cloud: LocalCloud | None = None, /, **settings: str | None
) -> Iterator[Chain]:
    """A process in a cloud, which is its own unless one is given.

    `settings` change the process's environment (None removes a variable). At the end nothing secret
    may have come out of the process, no connection may have left loopback, and no exception may
    have gone unhandled, whether a caller noticed it or not.
    """
    own = nullcontext(cloud) if cloud else LocalCloud.in_thread()
    with own as cloud, tempfile.TemporaryDirectory() as directory:
        guard_log = Path(directory) / "connections"
        variables = environment(cloud, LOOPBACK_GUARD_LOG=str(guard_log), **settings)
        with (
            FunctionProcess(
                variables, app_dir=app_dir, log_level="DEBUG", drain_seconds=5
            ) as function,
            httpx.Client(base_url=function.url, trust_env=False, timeout=WAIT_SECONDS) as client,
        ):
            chain = Chain(cloud, function, client, guard_log)
            yield chain
            findings = chain.leaks() + chain.unexpected_connections()
            assert function.stop() == 0
            findings += chain.unexpected_defects()
            assert not findings, "\n".join(findings)


def _in(text: str, hidden: Iterable[str]) -> list[str]:
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


_MEMBERS = (
    *("type", "title", "status", "detail", "instance", "code", "errors", "requestId"),
    *("correlationId", "retryable", "outcome", "partnerCenter", "cart", "orderErrors"),
    "unavailableItems",
)


def problem(
    answer: httpx.Response, status: int, code: str, outcome: str = "", retryable: bool | None = None
) -> dict[str, Any]:
    """The body of an error answer, once its shape and what is expected of it are right."""
    document: dict[str, Any] = answer.json()
    assert tuple(document) == _MEMBERS
    assert (answer.status_code, document["code"]) == (status, code)
    assert document["outcome"] in (outcome or ("not_sent", "rejected", "unknown"))
    assert document["retryable"] in ((True, False) if retryable is None else (retryable,))
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]
    assert document["correlationId"] == answer.headers["MS-CorrelationId"]
    assert document["requestId"] == answer.headers.get("MS-RequestId")
    assert answer.headers["Content-Type"] == "application/json"
    return document
