"""What a signed body may be: a JSON object that can be understood in one way."""

import pytest

from cart_core.storefronts.json_body import MAX_DEPTH, UnreadableBody, read_body
from tests.unit.storefronts.samples import sample
from tests.unit.storefronts.shop import Shop


def test_an_id_beyond_a_double_keeps_its_digits() -> None:
    assert read_body(b'\xef\xbb\xbf{"id": 820982911946154508}') == {"id": 820982911946154508}


def test_half_of_a_character_is_replaced_and_a_whole_one_is_kept() -> None:
    body = rb'{"\ud800": ["a\ud83d\ude00b", {"c": "x\uDFFFy"}]}'

    assert read_body(body) == {"\ufffd": ["a\U0001f600b", {"c": "x\ufffdy"}]}


async def test_an_order_with_half_of_a_character_in_its_sku_is_parked() -> None:
    shop = Shop()
    line = sample("shopify")["line_items"][0] | {"sku": "CFQ7TTC0LH18:\ud800"}
    await shop.deliver(line_items=[line])

    assert (await shop.work()).reasons[0]["about"] == "CFQ7TTC0LH18:\ufffd"


def test_the_deepest_body_is_read() -> None:
    assert read_body(b'{"a":' * MAX_DEPTH + b"1" + b"}" * MAX_DEPTH)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"\xff{}",
        b"{'id': 1}",
        b'{"id": NaN}',
        b'{"id": 1, "id": 2}',
        b'{"a": {"id": 1, "id": 2}}',
        b'{"id": 1e999999}',
        b'{"id": ' + b"9" * 5000 + b"}",
        b'{"a":' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1),
        b"[" * 100_000,
    ],
)
def test_all_else_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableBody):
        read_body(body)
