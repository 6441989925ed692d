"""The page in a real browser: each panel shows what happened, each button does what it says."""

import json
from typing import Any

import pytest
from partner_center_emulator.partner_center import catalogue

from tests.browser.conftest import Seen
from tests.end_to_end.chain import until
from tests.kit.tools import unavailable

pytestmark = pytest.mark.slow

CUSTOMER = "d6bf25b7-e0a8-4f2d-a31b-97b55cfc774d"


def do(seen: Seen, label: str, **values: Any) -> str:
    """Fills in an action's fields, carries it out, and gives what the page says then."""
    form = seen.page.locator(f"form[aria-label='{label}']")
    if form.count() and not form.is_visible():
        seen.page.locator("summary", has_text=label).first.click()
    for name, value in values.items():
        field = form.locator(f"[name='{name}']")
        if isinstance(value, bool):
            field.set_checked(value)
        elif field.evaluate("node => node.tagName") == "SELECT":
            field.select_option(value)
        else:
            field.fill(str(value))
    seen.page.locator("#said").evaluate("node => { node.textContent = '' }")
    button = (
        form.get_by_role("button") if form.count() else seen.page.get_by_role("button", name=label)
    )
    button.click()
    seen.page.wait_for_selector("#said:not(:empty)")
    return seen.page.inner_text("#said")


def row(seen: Seen, panel: str, text: str) -> Any:
    """The row of a panel in which a text stands, once it is there."""
    found = seen.page.locator(f"#{panel} tbody tr[data-row]", has_text=text).first
    found.wait_for()
    return found


# --- Panels -----------------------------------------------------------------------------------


def test_an_order_is_seen_in_every_panel_while_it_happens(seen: Seen) -> None:
    assert do(seen, "Send a sample", sample="order", key="seen-1") == "201 Created: completed"

    assert "201" in row(seen, "function-calls", "seen-1").inner_text()
    (checkout, create) = (row(seen, "calls", "/checkout"), row(seen, "calls", "/carts\t"))
    assert "POST" in create.inner_text()
    assert "201" in checkout.inner_text()
    (order,) = seen.cloud.partner_center.orders.values()
    assert "5 x Licence" in row(seen, "orders", order.document["id"]).inner_text()
    assert "Ordered" in row(seen, "carts", order.cart_id).inner_text()
    assert CUSTOMER in seen.page.inner_text("#carts tr.group")
    assert "login.microsoftonline.com" in seen.page.inner_text("#other-calls")
    assert seen.page.locator("#catalogue tr[data-row]").count() >= len(catalogue.ITEMS)
    assert "completed" in row(seen, "records", "seen-1").inner_text()

    assert "replayed" in do(seen, "Deliver it again")
    assert "replayed" in row(seen, "function-calls", "replayed").inner_text()
    assert len(seen.cloud.partner_center.orders) == 1


def test_an_order_that_nobody_waits_for_is_seen_in_the_queue_and_done(seen: Seen) -> None:
    do(seen, "5xx before the effect", status="503", times=0)

    assert do(seen, "Send a sample", sample="order", key="queued", later=True).startswith("202")

    row(seen, "operations", "again at").wait_for()
    assert "queued\twaiting" in row(seen, "operations", "queued").inner_text()
    do(seen, "Remove the disturbances")
    row(seen, "operations", "queued").get_by_role("button", name="Try now").click()
    row(seen, "operations", "succeeded").wait_for()
    row(seen, "orders", "5 x Licence").wait_for()
    assert "/accepted-operations/messages" in row(seen, "other-calls", "DELETE").inner_text()


def test_a_shops_own_webhook_is_seen_from_its_delivery_to_what_was_bought(seen: Seen) -> None:
    assert do(seen, "Send a webhook", source="big", order=2001) == "200 OK"

    row(seen, "function-calls", "/api/webhooks/big").wait_for()
    assert "completed" in row(seen, "storefront-orders", "ended").inner_text()
    assert "place_order" in row(seen, "operations", "storefront-big-").inner_text()
    row(seen, "other-calls", "api.bigcommerce.com/stores/abc123/v2/orders/2001/products").wait_for()
    assert do(seen, "Deliver it again") == "200 OK"
    assert do(seen, "Send a webhook", source="big", order=2001) == "200 OK"
    assert do(seen, "Send a webhook", source="big", wrong=True) == "401 Unauthorized"
    assert seen.page.locator("#storefront-orders tr[data-row]", has_text="2001").count() == 1
    assert len(seen.cloud.partner_center.orders) == 1


def test_a_parked_order_is_released_or_discarded(seen: Seen) -> None:
    for number in (72002, 72003):
        assert do(seen, "Send a webhook", source="shop", kind="doubtful", order=number) == "200 OK"
        parked = row(seen, "storefront-orders", str(number))
        parked.locator(".state", has_text="parked").wait_for()
        assert "sku_resembles CFQ7TTC0LH18:monthly" in parked.inner_text()
    row(seen, "storefront-orders", "72002").get_by_role("button", name="Release").click()
    seen.page.locator("#said", has_text="200 OK: open").wait_for()
    row(seen, "storefront-orders", "72003").get_by_role("button", name="Discard").click()
    row(seen, "storefront-orders", "discarded").wait_for()
    row(seen, "other-calls", "erp.example.com/hooks/licences").wait_for()
    assert seen.cloud.partner_center.carts == {}


def test_a_click_shows_headers_and_bodies_which_stay_open_while_more_happens(seen: Seen) -> None:
    do(seen, "Send a sample", sample="cart", key="seen-2")
    number = row(seen, "calls", "/carts").get_attribute("data-row")
    opener = seen.page.locator(f"#calls tr[data-row='{number}'] button")
    opener.click()
    detail = seen.page.locator("#calls tr.detail")
    detail.get_by_text("Request headers").wait_for()

    text = detail.inner_text()
    assert "characters)" in text
    assert "A_sample_Azure_RI" in text
    assert opener.get_attribute("aria-expanded") == "true"
    do(seen, "Send a sample", sample="cart", key="seen-3")
    until(lambda: seen.page.locator("#calls tr[data-row]").count() == 2)
    assert detail.inner_text() == text
    opener.click()
    assert detail.count() == 0


def test_a_panel_is_folded_and_unfolded(seen: Seen) -> None:
    fold = seen.page.get_by_role("button", name="Catalogue", exact=True)
    table = seen.page.locator("#catalogue table")
    assert table.is_visible()
    fold.click()
    assert (fold.get_attribute("aria-expanded"), table.is_visible()) == ("false", False)
    fold.click()
    assert table.is_visible()


# --- Buttons ----------------------------------------------------------------------------------

WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("Latency", {"seconds": 0.2, "which": "create"}, "201 Created: Active"),
    ("429 with Retry-After", {"pause": 1, "which": "create"}, "201 Created: Active"),
    ("5xx before the effect", {"status": "503", "times": 0}, "502 Bad Gateway"),
    ("5xx after the effect", {"status": "500", "times": 0}, "502 Bad Gateway"),
    ("Drop the connection before the effect", {"times": 0}, "502 Bad Gateway"),
    ("Drop the connection after the effect", {"times": 0}, "502 Bad Gateway"),
]


@pytest.mark.parametrize(("label", "values", "said"), WRONG, ids=[each[0] for each in WRONG])
def test_a_disturbance_is_in_force_and_felt(
    seen: Seen, label: str, values: dict[str, Any], said: str
) -> None:
    assert "in force" in do(seen, label, **values)
    assert row(seen, "disturbances", "partner_center").is_visible()

    answer = do(seen, "Send a sample", sample="cart", key=f"wrong-{label.replace(' ', '-')}")

    assert answer.startswith(said), answer
    carts = len(seen.cloud.partner_center.carts)
    assert carts == (0 if "before the effect" in label else 1)
    assert "No disturbance" in do(seen, "Remove the disturbances")
    seen.page.get_by_text("Everything works as it should.").wait_for()


def test_any_disturbance_is_taken_or_said_to_be_wrong(seen: Seen) -> None:
    assert "In force: 1" in do(seen, "Any disturbance")
    assert row(seen, "disturbances", "entra").is_visible()
    wrong = json.dumps({"service": "moon"})
    assert "service" in do(seen, "Any disturbance", disturbance=wrong)
    assert seen.page.locator("#said.bad").is_visible()


def test_tokens_and_secrets_are_revoked_and_rotated(seen: Seen) -> None:
    do(seen, "Send a sample", sample="cart", key="before")
    secret, entra = seen.cloud.client_secret, seen.cloud.entra
    do(seen, "Revoke the access tokens")
    assert "201" in do(seen, "Send a sample", sample="cart", key="after")
    statuses = [a.status for a in seen.cloud.journal.requests("partner_center")]
    assert statuses == [201, 401, 201]
    do(seen, "Rotate the client secret", in_vault=False)
    assert seen.cloud.client_secret != secret
    seen.cloud.rotate_client_secret()
    do(seen, "Revoke the consent")
    assert set(entra.refresh_tokens.values()) == {50173}
    do(seen, "Sign in and consent")
    assert list(entra.refresh_tokens.values())[-1] is None


def test_a_twin_changes_a_cart_orders_it_or_lets_it_expire(seen: Seen) -> None:
    for key in ("one", "two"):
        do(seen, "Send a sample", sample="cart", key=f"twin-{key}")
    first, second = seen.cloud.partner_center.carts
    row(seen, "carts", first).get_by_role("button", name="Change as a twin").click()
    row(seen, "carts", "3 x").wait_for()
    row(seen, "carts", first).get_by_role("button", name="Check out as a twin").click()
    row(seen, "carts", "Ordered").wait_for()
    row(seen, "carts", second).get_by_role("button", name="Expire").click()
    row(seen, "carts", "Expired").wait_for()
    assert row(seen, "carts", second).locator(".row-button").count() == 0


def test_availabilities_are_rotated(seen: Seen) -> None:
    licences = seen.page.locator(f"#catalogue tr[data-row='{catalogue.BUSINESS_BASIC}']")
    licences.get_by_role("button", name="Rotate").click()
    licences.wait_for(state="detached")
    assert do(seen, "Send a sample", sample="order", key="rotated").startswith("400")
    do(seen, "Rotate all availabilities")
    reservation = f"#catalogue tr[data-row='{catalogue.RESERVATION}']"
    seen.page.locator(reservation).wait_for(state="detached")


def test_orders_stay_pending_and_everything_is_forgotten(seen: Seen) -> None:
    do(seen, "Orders stay pending", seconds=3000)
    do(seen, "Send a sample", sample="order", key="pending")
    assert "pending" in row(seen, "orders", "5 x Licence").inner_text()
    do(seen, "Orders stay pending", seconds=0)
    do(seen, "Forget everything")
    seen.page.get_by_text("Nothing was bought yet.").wait_for()


# --- Everybody can use it ---------------------------------------------------------------------


def test_everything_can_be_done_with_the_keyboard(seen: Seen) -> None:
    keyboard = seen.page.keyboard

    def reach(text: str) -> None:
        for _ in range(200):
            keyboard.press("Tab")
            if seen.page.evaluate("document.activeElement.textContent") == text:
                return
        raise AssertionError(f"no Tab leads to {text}")

    keyboard.press("Tab")
    assert "Skip" in seen.page.evaluate("document.activeElement.textContent")
    reach("Send a sample")
    keyboard.press("Enter")
    reach("Do it")
    keyboard.press("Enter")
    seen.page.wait_for_selector("#said:not(:empty)")
    row(seen, "orders", "5 x Licence")
    reach(next(iter(seen.cloud.partner_center.orders)))
    keyboard.press("Enter")
    seen.page.locator("#orders tr.detail pre").first.wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(seen: Seen, scheme: Any) -> None:
    try:
        from axe_playwright_python.sync_playwright import Axe
    except ImportError:
        unavailable("axe is not installed; it is among the development requirements.")
    seen.page.emulate_media(color_scheme=scheme)
    do(seen, "Send a sample", sample="two-orders", key=f"axe-{scheme}")
    do(seen, "Send a webhook", source="woo", kind="doubtful", order=3001)
    row(seen, "storefront-orders", "sku_resembles")
    do(seen, "5xx before the effect", status="503", which="orders")
    row(seen, "carts", "Active").get_by_role("button").first.click()
    seen.page.locator("#carts tr.detail pre").first.wait_for()

    found = Axe().run(seen.page).response["violations"]

    serious = [each for each in found if each["impact"] in ("serious", "critical")]
    assert serious == [], json.dumps(serious, indent=1)


def test_the_page_fits_a_narrow_window(seen: Seen) -> None:
    seen.page.set_viewport_size({"width": 420, "height": 800})
    do(seen, "Send a sample", sample="order", key="narrow")
    row(seen, "orders", "5 x Licence")
    wider = seen.page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wider <= 0


def test_the_api_documentation_sends_a_request(seen: Seen) -> None:
    if not seen.page.locator("#contents a", has_text="API documentation").count():
        unavailable("swagger-ui-py is not installed.")
    seen.page.get_by_text("API documentation").click()
    seen.page.locator("#operations-Carts-CreateCart .opblock-summary-control").click()
    seen.page.locator("#operations-Carts-CreateCart .execute").click()
    status = seen.page.locator(
        "#operations-Carts-CreateCart .live-responses-table .response-col_status"
    )
    status.last.wait_for()
    assert "201" in seen.page.inner_text("#operations-Carts-CreateCart .live-responses-table")
    assert len(seen.cloud.partner_center.carts) == 1
