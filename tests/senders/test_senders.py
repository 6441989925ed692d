"""Libraries that nobody here wrote sign, as senders of webhooks do, and the route verifies."""

import base64
import json
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import standardwebhooks
import stripe
import svix
from partner_center_emulator.services.azurite import find_node, install

from cart_core.api.invocation import answer
from cart_core.api.messages import Request
from cart_core.api.webhooks import Webhooks
from cart_core.storefronts.signatures import Scheme
from local.storefronts import local_secret, sign
from tests.kit.requests import NEW
from tests.kit.tools import unavailable
from tests.unit.storefronts.builders import SINCE
from tests.unit.storefronts.samples import FOLDER, sample_sources
from tests.unit.storefronts.shop import Shop

HERE = Path(__file__).parent
TEXT_SECRET = "a client secret of thirty-four chars"
STANDARD_SECRET = local_secret("any")

Sign = Callable[[str, datetime], dict[str, str]]
"""Signs a body at a moment: the headers that the sender adds."""


def by_standard_webhooks(library: Any, secret: str, family: str = "webhook") -> Sign:
    def signed(body: str, now: datetime) -> dict[str, str]:
        return {
            f"{family}-id": "msg_1",
            f"{family}-timestamp": str(int(now.timestamp())),
            f"{family}-signature": library(secret).sign("msg_1", now, body),
        }

    return signed


def by_stripe(body: str, now: datetime) -> dict[str, str]:
    at = int(now.timestamp())
    signature = stripe.WebhookSignature._compute_signature(f"{at}.{body}", TEXT_SECRET)
    return {"stripe-signature": f"t={at},v1={signature}"}


def by_shopify(body: str, now: datetime) -> dict[str, str]:
    try:
        node = find_node()
        install(node, HERE / "npm")
    except RuntimeError as error:
        unavailable(str(error))
    # Packages are looked for beside the script.
    script = HERE / "npm" / "node_modules" / "shopify.mjs"
    script.write_text((HERE / "shopify.mjs").read_text("utf-8"), "utf-8")
    done = subprocess.run(
        [node.executable, script, TEXT_SECRET],
        input=body,
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(done.stdout)
    assert told["valid"] is True
    ours = sign(Scheme.SHOPIFY, TEXT_SECRET, body.encode(), now.timestamp())
    assert ours == {"X-Shopify-Hmac-Sha256": told["signature"]}
    return {"x-shopify-hmac-sha256": told["signature"]}


@pytest.mark.parametrize(
    ("source", "sample", "secret", "signs"),
    [
        ("shop", "shopify", TEXT_SECRET, by_shopify),
        ("pay", "stripe", TEXT_SECRET, by_stripe),
        (
            "big",
            "bigcommerce",
            TEXT_SECRET,
            # BigCommerce's own example encodes the client secret before it hands it over.
            by_standard_webhooks(
                standardwebhooks.Webhook, base64.b64encode(TEXT_SECRET.encode()).decode()
            ),
        ),
        (
            "erp",
            "standard-webhooks",
            STANDARD_SECRET,
            by_standard_webhooks(standardwebhooks.Webhook, STANDARD_SECRET),
        ),
        (
            "erp",
            "standard-webhooks",
            STANDARD_SECRET,
            by_standard_webhooks(svix.Webhook, STANDARD_SECRET, "svix"),
        ),
    ],
    ids=["Shopify", "Stripe", "BigCommerce", "Standard Webhooks", "Svix"],
)
async def test_what_a_senders_library_signs_is_stored_and_a_changed_body_is_refused(
    source: str, sample: str, secret: str, signs: Sign
) -> None:
    shop = Shop()
    configured = sample_sources()[source].model_copy(update={"since": SINCE})
    shop.secrets.values |= dict.fromkeys(configured.secrets, secret)
    shop.configure({source: configured})
    body = (FOLDER / f"{sample}.json").read_text("utf-8")
    headers = signs(body, datetime.fromtimestamp(shop.now, UTC))

    for sent, status in ((f"{body} ", 401), (body, 200)):
        request = Request(headers, {"source": source}, sent.encode())
        assert (await answer("webhook", Webhooks(shop.intake), request, NEW)).status == status
        assert len(await shop.stored.list("open/")) == (1 if status == 200 else 0)
