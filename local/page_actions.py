"""The actions of this app on the page of the local cloud: each calls it as a caller would."""

from partner_center_emulator.page.panels import Action, Done, Field, PageError, Values

from local.deliveries import Deliveries, Request
from local.samples import SAMPLES
from local.shops import Delivery, Shops, UnfitSampleError
from local.storefront_samples import Kind

_SAMPLES = "Send a sample"

_PLATFORMS = {
    "shopify": "Shopify",
    "woocommerce": "WooCommerce",
    "bigcommerce": "BigCommerce",
    "stripe": "Stripe",
    "standard_webhooks": "Standard Webhooks",
}
_KINDS = {
    Kind.PAID: "A paid order",
    Kind.DOUBTFUL: "A paid order with a doubtful SKU",
    Kind.CANCELLED: "A cancellation",
}
_MOST_ORDERS = 999_999_999


def actions(deliveries: Deliveries, shops: Shops) -> list[Action]:
    """All of them; those without a group belong to buttons of rows."""
    return [
        _send(deliveries),
        _send_webhook(deliveries, shops),
        _send_again(deliveries),
        *_of_operators(deliveries),
    ]


def _send(deliveries: Deliveries) -> Action:
    async def send(values: Values) -> Done:
        sample = SAMPLES[values["sample"]]
        headers = {"Content-Type": "application/json"}
        if values["key"]:
            headers["Idempotency-Key"] = values["key"]
        if values["later"]:
            headers["Prefer"] = "respond-async"
        return await deliveries.send(lambda: Request(sample.path, sample.content, headers))

    choices = {name: sample.label for name, sample in SAMPLES.items()}
    return Action(
        *("send", "Send a sample", "The same key again is the same order again."),
        *(send, _SAMPLES),
        (
            Field("sample", "Sample", "order", choices),
            Field("key", "Idempotency-Key", "order-1001"),
            Field("later", "Do not wait for it (Prefer: respond-async)", False),
        ),
    )


def _send_webhook(deliveries: Deliveries, shops: Shops) -> Action:
    greeted: set[str] = set()

    def request(delivery: Delivery) -> Request:
        return Request(delivery.path, delivery.body, delivery.headers(), with_key=False)

    async def send(values: Values) -> Done:
        name, kind, number = values["source"], Kind(values["kind"]), int(values["order"])
        if name not in greeted:
            greeting = await deliveries.post(request(shops.greeting(name)))
            if greeting.said.startswith("200"):
                greeted.add(name)
        try:
            delivery = shops.order(name, number, kind, wrongly_signed=values["wrong"])
        except UnfitSampleError as unfit:
            raise PageError(
                f"The sample does not fit what {name} expects ({unfit}). "
                "Send a body of your own with `make webhook`."
            ) from None
        return await deliveries.send(lambda: request(delivery))

    platforms = {name: f"{name} ({_PLATFORMS[kind]})" for name, kind in shops.platforms.items()}
    first = next(iter(platforms), "")
    return Action(
        *("send-webhook", "Send a webhook", "As the shop itself does: signed, and without a key."),
        *(send, _SAMPLES if platforms else ""),
        (
            Field("source", "Shop", first, platforms),
            Field(
                "kind", "It says", Kind.PAID.value, {k.value: label for k, label in _KINDS.items()}
            ),
            Field("order", "Order number", 1001, maximum=_MOST_ORDERS),
            Field("wrong", "Sign it with a wrong secret", False),
        ),
    )


def _send_again(deliveries: Deliveries) -> Action:
    async def send_again(values: Values) -> Done:
        return await deliveries.send_again()

    about = "As a storefront does that got no answer."
    return Action("send-again", "Deliver it again", about, send_again, _SAMPLES)


def _of_operators(deliveries: Deliveries) -> list[Action]:
    """The buttons of operations, and of storefronts' orders that are parked."""

    def action(name: str, label: str, about: str, path: str) -> Action:
        async def act(values: Values) -> Done:
            return await deliveries.post(Request(path.format(values.get("id"))))

        return Action(name, label, about, act)

    orders = "/api/storefront-orders/{}"
    return [
        action(
            *("try-now", "Try now", "An operator sets a queued operation going."),
            "/api/operations/{}/replay",
        ),
        action(
            *("release-order", "Release", "A parked order is looked into again."),
            f"{orders}/release",
        ),
        action(
            *("discard-order", "Discard", "A parked order is never bought."),
            f"{orders}/discard",
        ),
    ]
