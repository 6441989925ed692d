"""`python -m local.storefronts check | map | send`: the file of sources, and webhooks by hand.

`check` validates storefronts.toml. `map` shows what a body would come to, and sends nothing. `send`
signs a body as its platform does, sends it to an app that runs here, and shows what became of it.
"""

import argparse
import asyncio
import base64
import hashlib
import hmac
import json
import os
import sys
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
from partner_center_emulator.cloud import VAULT, LocalCloud
from partner_center_emulator.services.key_vault import SecretVersion

from cart_core.storefronts import bigcommerce, stripe
from cart_core.storefronts.json_body import UnreadableBody, read_body
from cart_core.storefronts.order import Ignored, Notice, StorefrontOrder
from cart_core.storefronts.order_record import RECORDS, purchase_key, record_name
from cart_core.storefronts.platforms import platform_of
from cart_core.storefronts.resolution import Parked, Parts, Refused, resolve
from cart_core.storefronts.signatures import Scheme, signing_key
from cart_core.storefronts.sources import InvalidSources, Source, read_sources
from local.functions_host import DEFAULT_KEY

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "storefronts.toml"
SAMPLE = ROOT / "samples" / "storefronts" / "storefronts.sample.toml"

POLL_SECONDS, LONGEST_WAIT = 0.25, 60.0
"""How often, and for how long at most, the app is asked what became of an order."""

RESTING = frozenset({"waiting", "parked", "refused", "discarded", "nothing", "ended"})
"""States in which nothing more happens by itself."""

WHERE = {
    "shopify": "Settings > Notifications > Webhooks, event Order payment, format JSON",
    "woocommerce": "WooCommerce > Settings > Advanced > Webhooks, topic Order updated",
    "bigcommerce": "POST https://api.bigcommerce.com/stores/HASH/v3/hooks, store/order/*",
    "stripe": "Developers > Webhooks, events checkout.session.*",
    "standard_webhooks": "the page for webhooks of the sender",
}
"""Where each platform takes the address."""


def default_file() -> Path:
    """The file storefronts.toml where there is one, else the sample."""
    return FILE if FILE.exists() else SAMPLE


def storefront_environment(cloud: LocalCloud, file: Path | None = None) -> dict[str, str]:
    """The variables by which an app in a local cloud has storefronts; their secrets are put there.

    Without a file it is storefronts.toml where there is one, else the sample.
    """
    file = file or default_file()
    for source in sources_in(file).values():
        for name in _secret_names(source):
            cloud.key_vault.set_secret(VAULT, name, SecretVersion(local_secret(name)))
    found = {"CART_STOREFRONTS_FILE": str(file)}
    container = cloud.connection_details().container_url
    return found | ({"CART_STOREFRONT_BODIES_URL": container} if container else {})


SHOP_SECRETS = ("access_token", "api_key")
"""The members of a source that name a secret for the shop's own API."""


def _secret_names(source: Source) -> list[str]:
    """All secrets that a source needs, by their names in Key Vault."""
    own = [getattr(source, name) for name in SHOP_SECRETS if hasattr(source, name)]
    return [*source.secrets, *own, *([source.report.secret] if source.report else [])]


def local_secret(name: str) -> str:
    """The secret under which `send` signs, for each name of a secret; for this machine alone."""
    return f"whsec_{base64.b64encode(hashlib.sha256(name.encode()).digest()).decode()}"


def sign(
    scheme: Scheme, secret: str, body: bytes, now: float, message_id: str = ""
) -> dict[str, str]:
    """The headers that a platform of this scheme would send with the body.

    By Standard Webhooks a message has an id, which is the same in each delivery of it.
    """
    key, timestamp = signing_key(scheme, secret) or b"", str(int(now))
    if scheme in (Scheme.SHOPIFY, Scheme.WOOCOMMERCE):
        signature = base64.b64encode(hmac.digest(key, body, "sha256")).decode()
        shopify = scheme is Scheme.SHOPIFY
        return {"X-Shopify-Hmac-Sha256" if shopify else "X-WC-Webhook-Signature": signature}
    if scheme is Scheme.STRIPE:
        signed = hmac.new(key, f"{timestamp}.".encode() + body, "sha256").hexdigest()
        return {"Stripe-Signature": f"t={timestamp},v1={signed}"}
    message_id = message_id or f"msg_{uuid.uuid4().hex}"
    digest = hmac.digest(key, f"{message_id}.{timestamp}.".encode() + body, "sha256")
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


class AnyTenant:
    """Takes every tenant for a customer: nobody is asked."""

    async def find(self, tenant: str) -> str | None:
        """The tenant itself."""
        return tenant


def mapped(
    name: str, source: Source, body: bytes, fetched: tuple[bytes, bytes] | None
) -> Iterator[str]:
    """What a body comes to, line by line.

    `fetched` are the order and its lines as the shop's own API gives them, for platforms whose
    webhooks do not have them.
    """
    now = datetime.now(UTC)
    try:
        reading = platform_of(source).read(read_body(body), now)
        if isinstance(reading, Notice):
            yield f"It says that the order {reading.order_id} has changed at {reading.changed}."
            if reading.cancelled:
                yield "It says that the order is cancelled: it is not bought."
            if fetched is None:
                yield "The order itself is fetched: give it with --order and --lines."
                return
            reading = _fetched(source, *fetched)
    except UnreadableBody as unreadable:
        yield f"It is acknowledged and nothing else, because it cannot be read: {unreadable}."
        return
    if isinstance(reading, Ignored):
        yield f"It is acknowledged and nothing else: {reading.value}."
        return
    yield f"It is the order {reading.number}, id {reading.id}, as of {reading.changed}."
    yield from _resolved(name, source, reading, now)


def _fetched(source: Source, order: bytes, lines: bytes) -> StorefrontOrder:
    items = read_body(b'{"lines": ' + lines + b"}")["lines"]
    order_of = bigcommerce.order_of if source.platform == "bigcommerce" else stripe.order_of
    return order_of(read_body(order), items)


def _resolved(name: str, source: Source, order: StorefrontOrder, now: datetime) -> Iterator[str]:
    rules = source.rules(min(now, order.created))
    found = asyncio.run(resolve(order, rules, AnyTenant()))
    if isinstance(found, Parked):
        yield "It is parked, because:"
        for reason in found.reasons:
            where = f"line {reason.line}: " if reason.line else ""
            yield f"  {where}{reason.code} {reason.about}".rstrip()
            yield f"    {reason.as_json()['advice']}"
    elif isinstance(found, Refused):
        yield f"It is refused: the lines {', '.join(found.lines)} are not Microsoft's."
    elif isinstance(found, Parts):
        for part in found.parts:
            yield f"For {part.customer_id} (nobody was asked whether it is a customer of yours):"
            yield f"  key {purchase_key(name, order.id)}"
            yield json.dumps(part.as_json()["cart"], indent=2)
    else:
        yield f"Nothing is bought now: {found.value}."


def _check(path: Path) -> int:
    sources = sources_in(path)
    print(f"{path} is valid.{' Copy it to storefronts.toml, and edit it.' * (path == SAMPLE)}")
    for name, source in sources.items():
        secrets = ", ".join(_secret_names(source))
        print(f"{name}: {source.platform}. Address https://APP/api/webhooks/{name}")
        print(f"  enter it at: {WHERE[source.platform]}")
        print(f"  secrets in Key Vault: {secrets}")
    return 0


def sources_in(path: Path) -> dict[str, Source]:
    """The sources in a file. Raises SystemExit with what to do where it is wrong or not there."""
    try:
        return read_sources(path.read_text("utf-8"))
    except FileNotFoundError:
        raise SystemExit(f"There is no {path}. Copy {SAMPLE} and edit it.") from None
    except InvalidSources as invalid:
        raise SystemExit("\n".join(invalid.problems)) from None


def _send(url: str, name: str, source: Source, body: bytes) -> int:
    headers = sign(platform_of(source).scheme, local_secret(source.secrets[0]), body, time.time())
    headers["Content-Type"] = "application/json"
    try:
        answer = httpx.post(
            f"{url}/api/webhooks/{name}", content=body, headers=headers, trust_env=False
        )
    except httpx.HTTPError as error:
        print(f"{url} does not answer ({type(error).__name__}). Start it with `make run`.")
        return 1
    print(f"{len(body)} bytes, signed as {name}: answered {answer.status_code}.")
    return 0 if answer.status_code == 200 else 1


def became(url: str, name: str, order_id: str, key: str) -> Iterator[str]:
    """What becomes of an order in an app that runs here, as its operators see it, line by line."""
    order = record_name(name, order_id).removeprefix(RECORDS).replace("/", "-")
    seen = ""
    for _ in range(round(LONGEST_WAIT / POLL_SECONDS)):
        answer = httpx.get(
            f"{url}/api/storefront-orders/{order}",
            headers={"x-functions-key": key},
            trust_env=False,
        )
        if answer.status_code != httpx.codes.OK:
            yield f"Nothing was stored of an order {order_id} ({answer.status_code})."
            return
        found = answer.json()
        if found["state"] != seen:
            seen = found["state"]
            yield f"The order {order_id} is {seen}{', cancelled' * found['cancelled']}."
        if seen in RESTING or found["cancelled"]:
            break
        time.sleep(POLL_SECONDS)
    else:
        yield "It takes longer; the log of the app says why."
    for reason in found["reasons"]:
        yield f"  {reason['code']} {reason['about']}: {reason['advice']}"
    for part in found["parts"]:
        result = part["result"] or {"status": "not bought", "orders": [], "problem": None}
        lines = ", ".join(
            f"{line['quantity']} x {line['catalogItemId']}" for line in part["cart"]["lineItems"]
        )
        ids = ", ".join(result["orders"]) or result["problem"] or ""
        yield f"  {part['customerId']}: {lines}: {result['status']} {ids}".rstrip()


def order_id_of(source: Source, body: bytes) -> str | None:
    """The shop's id of the order in a body; None where it has none."""
    try:
        reading = platform_of(source).read(read_body(body), datetime.now(UTC))
    except UnreadableBody:
        return None
    if isinstance(reading, Ignored):
        return None
    return reading.order_id if isinstance(reading, Notice) else reading.id


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m local.storefronts", description=__doc__)
    parser.add_argument("--file", type=Path, default=default_file())
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check", help="validate the file of sources")
    for command in ("map", "send"):
        each = commands.add_parser(command)
        each.add_argument("source")
        each.add_argument("body", type=Path)
        each.add_argument("--order", type=Path, help="the order as the shop's API gives it")
        each.add_argument("--lines", type=Path, help="a JSON list of its lines")
        each.add_argument("--url", default="http://127.0.0.1:7071")
        each.add_argument("--key", default=os.environ.get("FUNCTIONS_KEY") or DEFAULT_KEY)
    given = parser.parse_args(arguments)
    if given.command == "check":
        return _check(given.file)
    sources = sources_in(given.file)
    if given.source not in sources:
        raise SystemExit(f"{given.file} has no source {given.source}: {', '.join(sources)}")
    source, body = sources[given.source], given.body.read_bytes()
    if given.command == "send":
        if status := _send(given.url, given.source, source, body):
            return status
        if order_id := order_id_of(source, body):
            for line in became(given.url, given.source, order_id, given.key):
                print(line)
            return 0
    fetched = None
    if given.order and given.lines:
        fetched = given.order.read_bytes(), given.lines.read_bytes()
    for line in mapped(given.source, source, body, fetched):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
