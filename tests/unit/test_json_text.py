"""Numbers keep their digits, from the text that was read to the text that is written."""

import json
import math
from decimal import Decimal
from typing import Any

import pytest

from cart_core.idempotency.record import Record
from cart_core.json_text import read_decimal, write_json
from tests.kit.builders import cart, line
from tests.kit.partner_center import cart_document, reply
from tests.kit.world import KEYED, World


@pytest.mark.parametrize(
    "digits",
    [
        *("0.1", "0.10", "12.0", "-0.05", "100000000000000000000.01", "0.30000000000000004"),
        *("1E+20", "0E-7", "1E-400", "1.7976931348623157E+308", "0.1" + "0" * 400 + "1"),
    ],
)
def test_a_decimal_is_written_as_it_was_read(digits: str) -> None:
    for options in ({}, {"indent": 2}, {"ensure_ascii": False, "separators": (",", ":")}):
        document = {"NaN": ["NaN", read_decimal(digits), '\\"NaN', "é", 1, 0.5, None]}
        text = write_json(document, **options)

        assert json.loads(text, parse_float=Decimal) == document | {
            "NaN": ["NaN", Decimal(digits), '\\"NaN', "é", 1, Decimal("0.5"), None]
        }
        assert digits in text


@pytest.mark.parametrize(
    "digits", ["1e309", "-1e309", "9e99999", "1e" + "9" * 30, "1" * 400 + ".5"]
)
def test_a_decimal_beyond_a_double_is_none(digits: str) -> None:
    assert read_decimal(digits) is None


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf, object(), {1, 2}])
def test_what_is_no_json_is_not_written(wrong: Any) -> None:
    for value in (wrong, [Decimal(1), wrong], [wrong, Decimal(1)]):
        with pytest.raises((ValueError, TypeError)):
            write_json(value)


async def test_money_keeps_its_digits_all_the_way() -> None:
    """In the request that is sent, in the answer, in the record, and in the answer from it."""
    prices = {"listPrice": Decimal("100000000000000000000.01"), "price": Decimal("0.10")}
    document = cart_document()
    document["lineItems"][0] |= {"pricing": prices, "future": Decimal("2.50")}
    world = World(reply(201, document))
    sent = cart(line(purchaseCommitment={"amount": Decimal("123456789012.30")}))

    answers = [await world.create(sent, KEYED) for _ in range(2)]

    (asked,) = world.center.asked
    assert '"amount": 123456789012.30' in write_json(asked.cart)
    record = Record.from_json(world.record.to_json())
    assert record.answer is not None
    for body in (*(answer.body for answer in answers), record.answer.body):
        text = write_json(body["lineItems"])
        assert '"pricing": {"listPrice": 100000000000000000000.01, "price": 0.10}' in text
        assert '"future": 2.50' in text
