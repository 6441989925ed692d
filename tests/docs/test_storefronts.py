"""docs/storefronts.md says of parked orders and reports what the code says."""

import json
import re
from datetime import datetime
from pathlib import Path
from typing import get_args

from cart_core.storefronts.changes import Standing
from cart_core.storefronts.order import Ignored
from cart_core.storefronts.order_record import OrderRecord, PartResult
from cart_core.storefronts.parking import ADVICE, ReasonCode
from cart_core.storefronts.reporting import EventType, due_reports
from cart_core.storefronts.sku import BILLING_ALIASES, COMMITMENTS, Item, SkuRules, read_sku
from tests.docs.tables import names, table

RUNBOOK = (Path(__file__).parents[2] / "docs" / "runbook.md").read_text("utf-8")
PAGE = (Path(__file__).parents[2] / "docs" / "storefronts.md").read_text("utf-8")


def test_every_reason_is_there_with_its_advice() -> None:
    documented = {names(reason)[0]: advice for reason, advice in table(PAGE, "reason")}

    assert documented == ADVICE
    assert set(documented) == set(get_args(ReasonCode))


def test_every_report_is_named() -> None:
    paragraph = PAGE.partition("## What you are told")[2].partition("##")[0]

    assert set(re.findall(r"`(order\.\w+)`", paragraph)) == set(get_args(EventType))


def test_the_report_of_the_page_is_what_is_sent() -> None:
    shown = json.loads(PAGE.partition("```json\n")[2].partition("```")[0])
    sent_at = datetime.fromisoformat(shown["timestamp"])
    ((customer, result),) = shown["data"]["results"].items()
    standing = Standing.of(sent_at, cancelled=False, body="b")
    part = {"customerId": customer, "lines": [], "cart": {}}
    first = OrderRecord.first(shown["data"]["source"], shown["data"]["orderId"], standing, sent_at)
    ended = first.frozen([part]).with_result(customer, PartResult.model_validate(result))

    assert json.loads(due_reports(ended)[-1].body(sent_at.timestamp())) == shown


def test_every_reason_why_a_delivery_is_ignored_is_in_the_runbook() -> None:
    row = next(line for line in RUNBOOK.splitlines() if line.startswith("| `webhooks.received` |"))

    assert {each.value for each in Ignored} <= set(names(row))


def test_the_spellings_of_the_page_are_read() -> None:
    spelled = {name for _, spellings in table(PAGE, "part") for name in names(spellings)}
    for alias in (*BILLING_ALIASES, *COMMITMENTS):
        assert (
            alias in spelled
            or alias.lower() in spelled
            or alias in ("ANNUALLY", "YEARLY", "ONETIME")
        )
    sentence = PAGE.partition("So `")[2].partition(" are the same")[0]
    skus = names(f"`{sentence}")
    assert len(skus) == 3
    assert {read_sku(sku, SkuRules()) for sku in skus} == {
        Item("CFQ7TTC0LH18", "0001", "P1Y", "monthly")
    }
