"""The process that is measured: one subject, and the load generator for it.

`python -m bench.load function` makes one request and prints how many seconds it took, as JSON. Then
it reads a Round as JSON from each line of its input, runs it, and prints the Figures as JSON. The
subjects:

    direct     a POST of the cart to Partner Center with httpx on aiohttp and one access token
    function   the same cart through this repository's function
    keyed      the same with a new Idempotency-Key every time (in the process of `function`)
    accepted   the same, and nobody waits for the cart (in the process of `function`)
    skus, ids  a cart of 50 lines that name 10 SKUs, or the availabilities that these have, with a
               new key every time (in the process of `items`)
    webhook    a signed order of Shopify, 20 KB, a new one every time
    forged     the same, signed with another secret (in the process of `webhook`)
    caller     HTTP requests to the apps that `bench.served` serves, whose URLs are in the
               environment variable SERVED, by name, as JSON; nobody waits for the carts of the
               apps called `accepting` and `one message`
    tutorial   the same through `bench/tutorial`; here each new client loads one trusted CA, while
               with certifi's bundle it would load 140

A lane sends its next request when it has the answer to the last one. So the generator costs a uuid,
two clock readings and a list append for each request. The CPU figures are of the whole process, all
threads: they include the generator, and the worker library or what calls the handler instead.
"""

import asyncio
import itertools
import json
import os
import sys
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.worker import Invoke, open_function
from cart_core.storefronts.signatures import Scheme
from local.functions_host import DEFAULT_KEY
from local.samples import CUSTOMER, SAMPLE_CART
from local.storefronts import SAMPLE, local_secret, sign

ROOT = Path(__file__).resolve().parent.parent
_ROUTE = {"customerId": CUSTOMER}
_PARTNER_CENTER = "https://api.partnercenter.microsoft.com"
CART = json.dumps(json.loads(SAMPLE_CART)).encode()
_LINES = 50
_PAID = {"quantity": 1, "termDuration": "P1Y", "billingCycle": "monthly"}
_ITEMS = (
    *("CFQ7TTC0LH18:0001:CFQ7TTC0K971", "CFQ7TTC0LDPB:0001:CFQ7TTC0LGNT"),
    *("CFQ7TTC0LCHC:0002:CFQ7TTC0X6RN", "CFQ7TTC0LFLX:0001:CFQ7TTC0LB30"),
    *("CFQ7TTC0LFLZ:0002:CFQ7TTC0MKD5", "CFQ7TTC0LF8S:0001:CFQ7TTC0VZW5"),
    *("CFQ7TTC0MM8R:0002:CFQ7TTC0CP01", "CFQ7TTC0LHSF:0001:CFQ7TTC0Q7WT"),
    *("CFQ7TTC0LH16:0001:CFQ7TTC0EX0R", "CFQ7TTC0HDJX:0001:CFQ7TTC0K806"),
)
"""Availabilities of the emulator, each the only one of its SKU that such a line can mean."""

_BODY_BYTES = 20_000

ASYNCHRONOUS = ("accepting", "one message")
"""The apps whose callers do not wait for their carts."""

Post = Callable[[], Awaitable[bool]]
"""Sends one request, and says whether it was answered as it has to be."""


@dataclass(frozen=True, slots=True)
class Round:
    """`lanes` send at once for `seconds`; each sends to all `subjects` in turn.

    The lanes start at different times within `spread` seconds, so that they do not stay in step.
    With `split` each lane sends to one of the subjects, and each subject has as many lanes.
    """

    subjects: list[str]
    lanes: int
    seconds: float
    spread: float = 0.0
    split: bool = False


@dataclass(slots=True)
class Figures:
    """The result of a round; times in seconds. `failed` counts the wrong answers."""

    seconds: float = 0.0
    cpu: float = 0.0
    failed: int = 0
    latencies: dict[str, list[float]] = field(default_factory=dict)


async def run(order: Round, posts: dict[str, Post]) -> Figures:
    """Runs one round. It waits for the requests in progress at its end, and they count."""
    figures = Figures(latencies={name: [] for name in order.subjects})
    turns = [(posts[name], figures.latencies[name]) for name in order.subjects]

    def turns_of(number: int) -> list[tuple[Post, list[float]]]:
        return [turns[number % len(turns)]] if order.split else turns

    async def lane(number: int, start: float, until: float) -> None:
        await asyncio.sleep(start)
        while time.perf_counter() < until:
            for post, latencies in turns_of(number):
                sent = time.perf_counter()
                try:
                    good = await post()
                except Exception as error:
                    good = False
                    if not figures.failed:
                        print(f"First failure: {type(error).__name__}: {error}", file=sys.stderr)
                latencies.append(time.perf_counter() - sent)
                figures.failed += not good

    # The first requests open the connections, and are not counted.
    lanes = range(order.lanes)
    await asyncio.gather(*(post() for number in lanes for post, _ in turns_of(number)))
    cpu, began = time.process_time(), time.perf_counter()
    step, until = order.spread / order.lanes, began + order.seconds
    await asyncio.gather(*(lane(number, step * number, until) for number in lanes))
    figures.cpu, figures.seconds = time.process_time() - cpu, time.perf_counter() - began
    return figures


async def open_direct() -> Post:
    """An httpx client that sends through aiohttp, which costs a sixth of httpx's own engine."""
    from httpx_aiohttp import HttpxAiohttpClient

    token = access_token()
    client = HttpxAiohttpClient(proxy=os.environ.get("HTTPS_PROXY"))
    url = f"{_PARTNER_CENTER}/v1/customers/{CUSTOMER}/carts"

    async def post() -> bool:
        headers = {
            "Authorization": f"Bearer {token}",
            "Accept": "application/json",
            "Content-Type": "application/json",
            "MS-RequestId": str(uuid.uuid4()),
            "MS-CorrelationId": str(uuid.uuid4()),
            "X-Locale": "en-US",
        }
        return (await client.post(url, headers=headers, content=CART)).status_code == 201

    return post


def posting(invoke: Invoke, *, keyed: bool = False, prefer: str = "", cart: bytes = CART) -> Post:
    """The requests of a caller of the function."""
    headers = {"host": "127.0.0.1", "content-type": "application/json", "accept": "*/*"}
    headers |= {"prefer": prefer} if prefer else {}

    async def post() -> bool:
        more = {"idempotency-key": str(uuid.uuid4())} if keyed else {}
        return await invoke(headers | more, cart) == (202 if prefer else 201)

    return post


def delivering(invoke: Invoke, *, forged: bool = False) -> Post:
    """The deliveries of a shop: each is another paid order."""
    order = json.loads((SAMPLE.parent / "shopify.json").read_text("utf-8"))
    order["note"] = ""
    order["note"] = "x" * (_BODY_BYTES - len(json.dumps(order)))
    numbers = itertools.count(time.time_ns())
    secret = "a secret that nobody knows" if forged else local_secret("shop-webhook-secret")

    async def post() -> bool:
        body = json.dumps(order | {"id": next(numbers)}).encode()
        signed = sign(Scheme.SHOPIFY, secret, body, time.time())
        headers = {name.lower(): value for name, value in signed.items()}
        return await invoke(headers, body) == (401 if forged else 200)

    return post


def items_cart(*, by_sku: bool) -> bytes:
    """The cart of `skus`, or that of `ids`."""

    def line(number: int) -> dict[str, Any]:
        item = _ITEMS[number % len(_ITEMS)]
        product, sku, _ = item.split(":")
        named = {"productId": product, "skuId": sku} if by_sku else {"catalogItemId": item}
        return named | _PAID

    return json.dumps({"lineItems": [line(number) for number in range(_LINES)]}).encode()


async def calling(url: str, *, asynchronous: bool = False) -> Post:
    """The requests of a caller over HTTP, who waits for the cart or not."""
    import aiohttp

    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
    address = f"{url}/api/customers/{CUSTOMER}/carts"
    headers = {"x-functions-key": DEFAULT_KEY, "content-type": "application/json"}

    async def post() -> bool:
        more = {"idempotency-key": str(uuid.uuid4()), "prefer": "respond-async"}
        sent = headers | more if asynchronous else headers
        async with session.post(address, headers=sent, data=CART) as answer:
            await answer.read()
            return answer.status == (202 if asynchronous else 201)

    return post


def client_secret() -> str:
    """The client secret, which the tutorial function reads from its settings."""
    from azure.identity import ManagedIdentityCredential
    from azure.keyvault.secrets import SecretClient

    with (
        ManagedIdentityCredential(client_id=os.environ["AZURE_CLIENT_ID"]) as identity,
        SecretClient(os.environ["KEY_VAULT_URL"], identity) as vault,
    ):
        return vault.get_secret("partner-center-client-secret").value or ""


def access_token() -> str:
    """A token for Partner Center, fetched as the tutorial function fetches it."""
    import httpx

    answer = httpx.post(
        f"https://login.microsoftonline.com/{os.environ['PARTNER_CENTER_TENANT_ID']}"
        "/oauth2/v2.0/token",
        data={
            "grant_type": "client_credentials",
            "client_id": os.environ["PARTNER_CENTER_CLIENT_ID"],
            "client_secret": client_secret(),
            "scope": f"{_PARTNER_CENTER}/.default",
        },
    )
    return str(answer.raise_for_status().json()["access_token"])


async def serve(subject: str) -> None:
    """Opens a subject, makes its first request, then runs rounds until the input ends.

    Raises RuntimeError where the first request is not answered as it has to be, because then there
    is nothing to measure.
    """
    posts: dict[str, Post] = {}
    if subject == "caller":
        for name, url in json.loads(os.environ["SERVED"]).items():
            posts[name] = await calling(url, asynchronous=name in ASYNCHRONOUS)
    elif subject == "tutorial":
        os.environ["CLIENT_SECRET"] = client_secret()
        posts["tutorial"] = posting(await open_function(ROOT / "bench" / "tutorial", _ROUTE))
    elif subject == "function":
        invoke = await open_function(ROOT, _ROUTE)
        posts["function"], posts["keyed"] = posting(invoke), posting(invoke, keyed=True)
        posts["accepted"] = posting(invoke, keyed=True, prefer="respond-async")
    elif subject == "items":
        invoke = await open_function(ROOT, _ROUTE)
        posts["ids"] = posting(invoke, keyed=True, cart=items_cart(by_sku=False))
        posts["skus"] = posting(invoke, keyed=True, cart=items_cart(by_sku=True))
    elif subject == "webhook":
        invoke = await open_function(ROOT, {"source": "shop"}, "receive_webhook")
        posts["webhook"], posts["forged"] = delivering(invoke), delivering(invoke, forged=True)
    else:
        posts["direct"] = await open_direct()
    began = time.perf_counter()
    uncounted = ("keyed", "accepted", "forged")
    good = [await post() for name, post in posts.items() if name not in uncounted]
    first = time.perf_counter() - began
    if not all(good):
        raise RuntimeError(f"The first request of '{subject}' was refused.")
    if subject == "function":
        posts["direct"] = await open_direct()
    print_json({"first": first})
    while line := await asyncio.to_thread(sys.stdin.readline):
        print_json(asdict(await run(Round(**json.loads(line)), posts)))
    # The process ends as the platform ends it: nothing closes the function's clients.
    os._exit(0)


def print_json(answer: dict[str, Any]) -> None:
    """Prints one line, for the process that reads it."""
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
