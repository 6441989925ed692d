"""Which operation a request is, and the names and ids that follow from that."""

import re
from decimal import Decimal

import pytest

from cart_core.idempotency.operation_id import OperationId, fingerprint, fingerprint_like
from tests.kit.builders import CUSTOMER, cart, line, read, read_bytes

KEY = "8e03978e-40d5-43dd-bc93-6894a57f9324"
OPERATION = OperationId("create_cart", CUSTOMER, KEY)
FINGERPRINT = "1:" + "0123456789abcdef" * 4
OTHERS = [
    OperationId("checkout_cart", CUSTOMER, KEY),
    OperationId("place_order", CUSTOMER, KEY),
    OperationId("create_cart", CUSTOMER.replace("d", "e"), KEY),
    OperationId("create_cart", CUSTOMER, KEY + "x"),
    OperationId("create_cart", CUSTOMER, KEY.upper()),
    OperationId("create_cart", CUSTOMER + KEY, ""),
    OperationId("create_cart", "", CUSTOMER + KEY),
]
CART = read(cart()).body


def test_names_and_ids_are_the_same_in_every_release() -> None:
    """Whoever changes a literal here buys every order again that is repeated after an update.

    So whoever changes one raises the version and brings the migration.
    """
    assert (
        OPERATION.record_name()
        == "carts/1be06c7af15d1753be4537e9f9e4ec6db4c3b79d59fd4e4782e3b5fcddafb340"
    )
    assert OPERATION.request_id("cart", FINGERPRINT, 0) == "c36ae28e-6649-5b59-a8e5-872d5778c29d"
    assert fingerprint(CART) == "1:fbf0d7a1b56238edc2e25cb32e9335853b56ad58fcbad0e9cbfe2f85c9f00f23"


def test_a_record_is_named_by_operation_customer_and_key() -> None:
    names = [operation.record_name() for operation in [OPERATION, *OTHERS]]
    assert len(set(names)) == len(names)
    assert KEY not in OPERATION.record_name()


def test_a_request_id_differs_by_everything_that_it_stands_for() -> None:
    ids = [operation.request_id("cart", FINGERPRINT, 0) for operation in [OPERATION, *OTHERS]]
    ids += [
        OPERATION.request_id("checkout", FINGERPRINT, 0),
        OPERATION.request_id("cart", FINGERPRINT.replace("0", "1"), 0),
        OPERATION.request_id("cart", FINGERPRINT, 1),
        OPERATION.request_id("cart", FINGERPRINT, 2),
    ]
    assert len(set(ids)) == len(ids)
    uuid5 = "[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
    assert all(re.fullmatch(uuid5, request_id) for request_id in ids)


def test_all_spellings_of_one_cart_have_one_fingerprint() -> None:
    """Members in another order and case, white space, escapes, a BOM and the envelope."""
    spelling = (
        b'\xef\xbb\xbf {"Attributes": {"objectType": "Cart"}, "LineItems" : [ \n'
        b'{"BillingCycle": "Monthly", "catalogItemId": "\\u0041:1:B", "QUANTITY": 1} ] } '
    )
    assert fingerprint(read_bytes(spelling).body) == fingerprint(CART)


def test_undocumented_members_in_another_order_make_the_same_cart() -> None:
    one = cart(line(newObject={"a": 1, "b": 2}), newA=1, newB=2)
    other = cart(line(newObject={"b": 2, "a": 1}), newB=2, newA=1)
    assert fingerprint(read(one).body) == fingerprint(read(other).body)


@pytest.mark.parametrize("digits", ["1.50", "1.5", "0.15e1", "15E-1", "1.5000000000000000000000"])
def test_all_spellings_of_one_number_have_one_fingerprint(digits: str) -> None:
    spelt = fingerprint(read(cart(newMember=Decimal(digits))).body)
    assert spelt == fingerprint(cart(line(id=0), newMember=1.5))


def test_different_carts_have_different_fingerprints() -> None:
    carts = [
        cart(),
        cart(line(quantity=2)),
        cart(line(catalogItemId="A:1:C")),
        cart(line(billingCycle="annual")),
        cart(line(), line(quantity=2)),
        cart(line(quantity=2), line()),
        cart(line(newMember=1)),
        *(
            cart(newMember=value)
            for value in (1, "1", True, False, 0, [1], {"a": 1}, {"A": 1}, {"a": [1, 2]})
        ),
        cart(newMember={"a": [2, 1]}),
        *(cart(newMember=Decimal(digits)) for digits in ("1.5", "0.1", "1e20", "1.5e-9")),
        *(cart(newMember=Decimal(f"0.1000000000000000055{digit}")) for digit in "129"),
    ]
    fingerprints = {fingerprint(read(document).body) for document in carts}
    assert len(fingerprints) == len(carts)
    assert all(re.fullmatch("1:[0-9a-f]{64}", each) for each in fingerprints)


def test_lone_surrogates_and_depth_have_a_fingerprint() -> None:
    assert fingerprint({"a": "\ud800", "b": [[[[]]]]})


def test_a_fingerprint_is_compared_by_the_rule_of_its_own_version() -> None:
    for known in ("1:any", fingerprint({})):
        assert fingerprint_like(known, CART) == fingerprint(CART)
    for other in ("2:any", "0:any", "", ":", "1 :any", " 1:any", "01:any", "11:any", "any"):
        assert fingerprint_like(other, CART) is None
