"""`python -m local demo | run | cloud`: the app in the local cloud, from the command line."""

import argparse
import contextlib
import json
import signal
import sys
import threading
from collections.abc import Mapping
from contextlib import ExitStack

import httpx
from partner_center_emulator.cloud import LocalCloud
from partner_center_emulator.services.azurite import Azurite
from partner_center_emulator.watch.journal import Arrival

from local import page
from local.api_docs import ADDRESS, ApiDocs
from local.environment import app_environment
from local.function_process import FunctionProcess

CUSTOMER = "d6bf25b7-e0a8-4f2d-a31b-97b55cfc774d"
SAMPLE_CART = """\
{
   "LineItems": [
        {
            "Id":0,
            "CatalogItemId": "DG7GMGF0DWTL:0001:DG7GMGF0DSJB",
            "FriendlyName": "A_sample_Azure_RI",
            "Quantity": 2,
            "BillingCycle": "one_time",
            "ProvisioningContext": {
                "subscriptionId": "3D5ECED6-1151-44C7-AEE6-70A4BB725666",
                "scope": "shared",
                "duration": "1Year"
            }
        }
    ],
    "Attributes": {
        "ObjectType": "Cart"
    }
}"""
"""The request body of Microsoft's page "Create a cart", spelled as there."""

BUYING = {"CART_ALLOW_CHECKOUT": "true"}
"""Checkouts are allowed here because they cost nothing."""

_stopped = threading.Event()
"""Set by SIGTERM and SIGINT."""

_PRINTED_HEADERS = (
    *("authorization", "accept", "content-type", "location", "retry-after"),
    *("prefer", "preference-applied"),
)
"""The headers that the demo prints, with those that start with `ms-` or `x-`."""


def curl_line(url: str, key: str) -> str:
    """A command to try: it creates a cart."""
    return (
        f"curl -i {url}/api/customers/{CUSTOMER}/carts \\\n"
        f"  -H 'x-functions-key: {key}' -H 'Idempotency-Key: order-1001' \\\n"
        "  -H 'Content-Type: application/json' \\\n"
        '  -d \'{"lineItems": [{"catalogItemId": "DG7GMGF0DWTL:0001:DG7GMGF0DSJB",'
        ' "quantity": 2, "billingCycle": "one_time"}]}\'\n'
    )


def demo() -> int:
    """Creates, reads, changes and checks out Microsoft's sample cart, and prints all of it."""
    with (
        LocalCloud.in_thread() as cloud,
        FunctionProcess(app_environment(cloud, **BUYING)) as function,
        httpx.Client(base_url=function.url, trust_env=False, timeout=60) as client,
    ):
        client.headers["x-functions-key"] = function.key
        client.headers["Prefer"] = "omit-values=nulls"

        def call(title: str, method: str, path: str, body: str = "") -> httpx.Response:
            own = {"Content-Type": "application/json"} if body else {}
            request = client.build_request(method, path, headers=own, content=body)
            _print(f"{title}: {method} {request.url}", request.headers, body)
            before = len(cloud.journal.requests("partner_center"))
            answer = client.send(request)
            for arrival in cloud.journal.requests("partner_center")[before:]:
                _print_arrival(arrival)
            status = f"{answer.status_code} {answer.reason_phrase}"
            _print(f"Answer: {status}", answer.headers, answer.text)
            return answer.raise_for_status()

        try:
            created = call("Create", "POST", f"/api/customers/{CUSTOMER}/carts", SAMPLE_CART)
            path = created.headers["Location"]
            cart = call("Read", "GET", path).json()
            cart["lineItems"][0]["quantity"] = 3
            call("Change", "PUT", path, json.dumps(cart))
            bought = call("Check out", "POST", f"{path}/checkout").json()
        except httpx.HTTPError as error:
            print(f"{error}. The function's log:", function.output(), sep="\n")
            return 1
        counts = ", ".join(f"{service} {n}" for service, n in cloud.journal.counts.items())
        print(f"Calls that the function made: {counts}.")
        for order in bought["orders"]:
            lines = [f"{line['quantity']} x {line['friendlyName']}" for line in order["lineItems"]]
            print(f"Order {order['id']}: {', '.join(lines)}.")
        return 0


def run(port: int) -> int:
    """Serves the app in a local cloud, with a page that shows it, until a signal comes."""
    functions: list[FunctionProcess] = []

    def function() -> tuple[str, str] | None:
        return (functions[0].url, functions[0].key) if functions else None

    docs = ApiDocs(function)
    with ExitStack() as stack:
        azurite = _azurite(stack)
        cloud = stack.enter_context(LocalCloud.in_thread(azurite=azurite, routes=docs.routes()))
        page.extend(cloud, function, has_storage=azurite is not None)
        if docs.has_assets:
            cloud.page.links[ADDRESS] = "API documentation"
        environment = app_environment(cloud, **BUYING, LOCAL_PAGE_URL=cloud.page_url)
        try:
            running = FunctionProcess(environment, port=port, inherit_log=True)
        except RuntimeError as error:
            print(error, file=sys.stderr)
            return 2
        functions.append(stack.enter_context(running))
        print(f"Open {running.url} in a browser to see what happens. Ctrl-C ends it. Try:\n")
        print(curl_line(running.url, running.key), flush=True)
        while running.process.poll() is None:
            if _stopped.wait(0.5):
                return 0
        print("The function ended by itself.", file=sys.stderr)
        return 1


def _azurite(stack: ExitStack) -> Azurite | None:
    """Azurite, where there is a Node.js for it; without it, the app remembers keys in memory."""
    try:
        return stack.enter_context(Azurite())
    except RuntimeError as error:
        print(f"No Azurite, so records are kept in memory: {error}", file=sys.stderr)
        return None


def cloud_alone() -> int:
    """Serves a local cloud without the app; prints its control URL and the app's environment."""
    with LocalCloud.in_thread() as cloud:
        facts = {"control": cloud.control_url, "environment": app_environment(cloud)}
        print(json.dumps(facts), flush=True)
        while not _stopped.wait(0.5):
            pass
        return 0


def _print(title: str, headers: Mapping[str, str], body: str) -> None:
    print(f"== {title}")
    for name, value in headers.items():
        if name.lower() in _PRINTED_HEADERS or name.lower().startswith(("ms-", "x-")):
            print(f"{name}: {value}")
    with contextlib.suppress(ValueError):
        body = json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    print(f"\n{body}\n" if body else "")


def _print_arrival(arrival: Arrival) -> None:
    scheme, _, token = arrival.headers.get("authorization", "").partition(" ")
    masked = f"{scheme} {token[:6]}... ({len(token)} characters)"
    title = f"Partner Center received: {arrival.method} https://{arrival.host}{arrival.path}"
    _print(title, arrival.headers | {"authorization": masked}, arrival.body.decode())


def _stop(number: int, frame: object) -> None:
    """Ends the main thread's work.

    Python ignores an exception that is raised while a finaliser runs, so the event is set as well.
    """
    _stopped.set()
    raise KeyboardInterrupt


def main() -> int:
    """The command line. Ctrl-C and SIGTERM end every command properly."""
    parser = argparse.ArgumentParser(prog="python -m local")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("demo", help="one cart, from its creation until it is bought")
    serving = commands.add_parser("run", help="the app in a local cloud, until Ctrl-C")
    serving.add_argument("--port", type=int, default=7071)
    commands.add_parser("cloud", help="a local cloud without the app, until Ctrl-C")
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    try:
        match options.command:
            case "demo":
                return demo()
            case "run":
                return run(options.port)
            case _:
                return cloud_alone()
    except KeyboardInterrupt:
        return 130 if options.command == "demo" else 0


if __name__ == "__main__":
    sys.exit(main())
