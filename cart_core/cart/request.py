"""The cart a caller sends: what is accepted, what is refused, and what goes to Partner Center.

The models are Partner Center's Cart and CartLineItem (its pages "Create a cart" and "Cart
resources").
"""

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, ConfigDict, Field, StrictBool, ValidationError, ValidationInfo
from pydantic_core import PydanticCustomError

from cart_core.cart.dropped_lines import dropped_lines
from cart_core.cart.line_ids import line_ids, with_line_ids
from cart_core.cart.member_names import OrderMember, RequestModel
from cart_core.cart.request_errors import CallerPointers, errors_of, field_error
from cart_core.cart.request_types import (
    COUNTED,
    Amount,
    CatalogItemId,
    CurrencyCode,
    Duration,
    Identifier,
    KnownBillingCycle,
    KnownSegment,
    LineId,
    PartOfSku,
    Quantity,
    Refused,
    Text,
    TextsByName,
    UtcDateTime,
    refuse,
    until_enough,
)
from cart_core.cart.request_warnings import request_warnings
from cart_core.cart.skus import LinePath, line_at, sku_lines
from cart_core.cart.spelling import (
    find_sku,
    is_one_participant,
    participant_pairs,
    single_renews_to,
)
from cart_core.cart.validation_context import ValidationContext
from cart_core.problem import MAX_REPORTED_ERRORS, FieldError, Problem, invalid_request, pointer_to

MAX_UNKNOWN_MEMBERS = 100
MAX_LINES = 500
"""Line items and add-ons together. Microsoft documents no limit."""

_LEAVE_OUT = "leave it out, because Partner Center assigns it"

_OUTSIDE_THE_BODY = frozenset(
    {"invalid_customer_id", "invalid_cart_id", "invalid_customer_user", "invalid_parameter"}
)
"""Codes of errors in the path and the headers. Their pointer "" does not mean the body."""


@dataclass(frozen=True, slots=True)
class CartRules:
    """The operator's choices (settings CART_MAX_QUANTITY and CART_UNKNOWN_MEMBERS)."""

    max_quantity: int | None = None
    unknown_members: Literal["forward", "reject"] = "forward"


@dataclass(frozen=True, slots=True)
class CartRequest:
    """A valid cart: `body` is what Partner Center gets, `warnings` what the caller should know.

    In a cart that replaces another one, lines without an id have none yet; see `replacing`. Lines
    may name a SKU (see `skus`); then their availabilities have to be put in before the cart is
    sent. `sku_lines` has the place of each of these.
    """

    body: dict[str, Any]
    warnings: tuple[FieldError, ...]
    sku_lines: tuple[LinePath, ...] = ()
    locate: Callable[[LinePath], str] = field(default=lambda _: "", compare=False)
    """The JSON Pointer of any line in the caller's document."""

    def replacing(self, cart: dict[str, Any]) -> "CartRequest":
        """The same cart in place of that normalised one, with a warning for each line it drops.

        Lines without an id get ids that no line of the other cart has.
        """
        lines = cart["lineItems"]
        dropped = itertools.islice(
            dropped_lines(lines, self.body["lineItems"]), MAX_REPORTED_ERRORS
        )
        body = with_line_ids(self.body, line_ids(lines))
        return replace(self, body=body, warnings=(*self.warnings, *dropped))

    def warned(self, warning: FieldError) -> "CartRequest":
        """The same cart with one more warning."""
        return replace(self, warnings=(*self.warnings, warning))

    def with_lines(self, line_items: list[dict[str, Any]]) -> "CartRequest":
        """The same cart with other line items."""
        return replace(self, body={**self.body, "lineItems": line_items})


def read_cart(
    document: Any,
    customer_id: str,
    rules: CartRules,
    errors: list[FieldError],
    *,
    cart_id: str | None = None,
) -> CartRequest:
    """Validate a parsed body for a customer (a lower-case GUID).

    With `cart_id` (a lower-case GUID) the cart replaces that cart, and may be an answer of this API
    with changes: `body` gets the id, and a member whose name is nearly that of a documented one is
    accepted where the documented one is present too, as it is in every answer. `errors` are those
    that were found before. Raises Problem `invalid_request` with these and with everything else
    that is wrong.
    """
    errors = [error for error in errors if _matters(error)]
    all_errors = list(errors)
    for pointer in [
        *_mismatches(document, "customerId", customer_id),
        *_mismatches(document, "referenceCustomerId", customer_id),
    ]:
        detail = "Differs from the customerId in the path."
        all_errors.append(FieldError(pointer, "customer_mismatch", detail))
    for pointer in _mismatches(document, "id", cart_id) if cart_id else ():
        detail = "Differs from the cartId in the path."
        all_errors.append(FieldError(pointer, "cart_mismatch", detail))
    if len(all_errors) > MAX_REPORTED_ERRORS:
        raise invalid_request(all_errors)
    pointers = CallerPointers(document, LineItem.aliases)
    context = ValidationContext(
        max_quantity=rules.max_quantity,
        reject_unknown_members=rules.unknown_members == "reject",
        max_unknown_members=MAX_UNKNOWN_MEMBERS if cart_id is None else None,
        replaces_cart=cart_id is not None,
    )
    try:
        cart = Cart.model_validate(document, context=context)
    except ValidationError as invalid:
        found = errors_of(invalid)[: MAX_REPORTED_ERRORS + 1]
        listed = [field_error(error, pointers) for error in found]
        reported = {error.pointer for error in errors if error.code not in _OUTSIDE_THE_BODY}
        all_errors += [error for error in listed if error.pointer not in reported]
        raise _refusal(all_errors, document, cart_id) from None
    if all_errors:
        raise _refusal(all_errors, document, cart_id)
    body = cart.model_dump(by_alias=True, exclude_unset=True)
    body = with_line_ids(body) if cart_id is None else {"id": cart_id, **body}
    warnings = itertools.islice(request_warnings(cart, (), pointers), MAX_REPORTED_ERRORS)

    def locate(path: LinePath) -> str:
        return pointers.pointer(line_at(path))

    paths = tuple(path for path, _ in sku_lines(body["lineItems"]))
    return CartRequest(body, tuple(warnings), paths, locate)


_OF_THE_REQUEST = frozenset(
    {"customer_mismatch", "cart_mismatch", "misspelled_member", "duplicate_member"}
    | {"unknown_member"}
)
"""Codes of errors that no answer of this API has in it."""


def _refusal(errors: list[FieldError], document: Any, cart_id: str | None) -> Problem:
    """The problem with these errors; in an answer that is put back, the cart may hold them."""
    answer = isinstance(document, dict) and {"orderable", "warnings"} <= document.keys()
    return invalid_request([*map(_held_by_the_cart, errors)] if cart_id and answer else errors)


def _held_by_the_cart(error: FieldError) -> FieldError:
    if error.code in _OUTSIDE_THE_BODY | _OF_THE_REQUEST:
        return error
    detail = f"{error.detail} If it was read like this, the cart itself holds it: change it."
    return replace(error, detail=detail)


def _matters(error: FieldError) -> bool:
    """Whether an error in the JSON is in a member that is sent. An answer may have it elsewhere."""
    model: type[RequestModel] = Cart
    for step in error.pointer.split("/")[1:] if error.code != "duplicate_member" else ():
        if step.isdecimal():
            continue
        if step.lower() in map(str.lower, model.not_sent):
            return False
        if step.lower() != ("lineitems" if model is Cart else "addonitems"):
            return True
        model = LineItem
    return True


def _mismatches(document: Any, member: str, expected: str) -> Iterator[str]:
    """The pointers to a cart's `member`, in any case, where it is neither `expected` nor null.

    `expected` is in lower case; the cart may have it in any case.
    """
    for name, value in document.items() if isinstance(document, dict) else ():
        same = value is None or (isinstance(value, str) and value.lower() == expected)
        if name.lower() == member.lower() and not same:
            yield pointer_to("", name)


class Participant(RequestModel):
    """A participant: `key` such as `transaction_reseller`, `value` a PartnerID; keys may repeat."""

    key: Identifier
    value: Identifier


class RenewsTo(RequestModel):
    """What a trial turns into when it ends."""

    term_duration: Duration | None = None


class PurchaseCommitment(RequestModel):
    """The commitment of an Azure savings plan."""

    amount: Amount | None = None
    currency: Identifier | None = None
    grain: Identifier | None = None


def _participants(value: Any) -> Any:
    if is_one_participant(value):
        raise PydanticCustomError("wrong_type", 'Must be a list: \'[{"key": …, "value": …}]\'.')
    return participant_pairs(value)


Participants = Annotated[
    list[Annotated[Participant, COUNTED]],
    BeforeValidator(until_enough),
    BeforeValidator(_participants, json_schema_input_type=list[Participant]),
]
"""Participants as an array, or as an object of texts by key. Sent as an array.

An object with a member called `key` or `value` is refused: it is a participant without its list.
The description has the array only, because generated clients cannot set one of two shapes.
"""

SingleRenewsTo = Annotated[
    RenewsTo,
    BeforeValidator(single_renews_to, json_schema_input_type=RenewsTo),
]
"""renewsTo as an object, or as an array of one. Sent as an object, as which it is described."""


def _lines(value: Any, info: ValidationInfo[ValidationContext]) -> Any:
    if isinstance(value, list):
        info.context.lines += len(value)
        if info.context.lines > MAX_LINES:
            raise PydanticCustomError(
                "too_long",
                "A cart may have at most {limit} line items and add-ons (this function's own "
                "limit).",
                {"limit": MAX_LINES},
            )
    return until_enough(value, info)


LINES = BeforeValidator(_lines)
"""An annotation of an array of COUNTED line items."""


_ITEM_TWICE = PydanticCustomError(
    "duplicate_member",
    "Name the item by 'catalogItemId', or by 'productId' with 'skuId', and not by both.",
)
_UNEXPECTED_SEGMENT = PydanticCustomError(
    "unexpected_segment",
    "An availability is of one segment already. Leave it out, or name the item by its SKU.",
)


def _half_of_sku(missing: str) -> PydanticCustomError:
    return PydanticCustomError(
        "required",
        "'{missing}' is required beside the other part of the SKU.",
        {"missing": missing},
    )


def _item_or_sku(schema: dict[str, Any]) -> None:
    """Say in the JSON Schema of a line item that it names an item, or a product with its SKU."""
    properties = schema["properties"]
    item = properties["catalogItemId"]
    properties["catalogItemId"] = {"anyOf": [item, {"type": "null"}]}
    schema["required"] = [name for name in schema["required"] if name != "catalogItemId"]
    nothing, text = {"type": "null"}, {"type": "string"}
    schema["if"] = {"properties": {"catalogItemId": text}, "required": ["catalogItemId"]}
    schema["then"] = {"properties": {"productId": nothing, "skuId": nothing}}
    schema["else"] = {
        "properties": {"productId": text, "skuId": text},
        "required": ["productId", "skuId"],
    }


class LineItem(RequestModel):
    """CartLineItem: one product to buy."""

    aliases: ClassVar[Mapping[str, str]] = {"catalogid": "catalogItemId"}
    not_sent = frozenset({"error", "pricing", "links", "attributes"})
    not_answered = frozenset({"productId", "skuId", "segment"})
    of_orders: ClassVar[Mapping[str, OrderMember]] = {
        "offerid": OrderMember("use 'catalogItemId'", "catalogItemId"),
        "lineitemnumber": OrderMember("use 'id'"),
        "partneridonrecord": OrderMember("use 'participants' with the key 'transaction_reseller'"),
        "additionalpartneridsonrecord": OrderMember(
            "use 'participants' with the key 'additional_transaction_reseller' for each of them"
        ),
        "parentsubscriptionid": OrderMember(
            "use 'provisioningContext' with the name 'parentSubscriptionId'"
        ),
        "subscriptionid": OrderMember(
            f"{_LEAVE_OUT}, or use 'provisioningContext' where the product needs one"
        ),
        "transactiontype": OrderMember(_LEAVE_OUT),
    }
    dates = frozenset({"customTermEndDate"})
    model_config = ConfigDict(json_schema_extra=_item_or_sku)

    id: LineId | None = None
    catalog_item_id: CatalogItemId
    product_id: Annotated[PartOfSku | None, BeforeValidator(refuse), Field(exclude=True)] = None
    sku_id: Annotated[PartOfSku | None, BeforeValidator(refuse), Field(exclude=True)] = None
    segment: Annotated[KnownSegment | None, BeforeValidator(refuse)] = None
    friendly_name: Text | None = None
    quantity: Quantity
    currency_code: CurrencyCode | None = None
    billing_cycle: KnownBillingCycle
    term_duration: Duration | None = None
    participants: Participants | None = None
    provisioning_context: TextsByName | None = None
    order_group: Identifier | None = None
    addon_items: "Annotated[list[Annotated[LineItem, COUNTED]], LINES] | None" = None
    renews_to: SingleRenewsTo | None = None
    promotion_id: Identifier | None = None
    custom_term_end_date: UtcDateTime | None = None
    attestation_accepted: StrictBool | None = None
    purchase_commitment: PurchaseCommitment | None = None
    purchase_system: Identifier | None = None

    @classmethod
    def _complete(cls, matched: dict[str, Any], context: ValidationContext) -> None:
        """Write `productId` with `skuId` as the catalogItemId that they stand for."""
        item, parts = matched.get("catalogItemId"), ("productId", "skuId")
        if context.replaces_cart and item is not None and not find_sku(str(item)):
            # In an answer that is put back, they would be Partner Center's own.
            for name in (*parts, "segment"):
                matched.pop(name, None)
        given = [matched.get(name) for name in parts]
        if given == [None, None]:
            if "segment" in matched and isinstance(item, str) and not find_sku(item):
                matched["segment"] = Refused(_UNEXPECTED_SEGMENT)
        elif item is not None:
            for name in parts:
                if name in matched:
                    matched[name] = Refused(_ITEM_TWICE)
        else:
            for name in parts:
                if name not in matched:
                    matched[name] = Refused(_half_of_sku(name))
            sku = ":".join(map(str, given))
            # Whatever is wrong with the parts is said of them, and not of the whole once more.
            matched["catalogItemId"] = sku if find_sku(sku) else "0:0"


class Cart(RequestModel):
    """Cart: the line items of one order."""

    not_sent = frozenset(
        {
            "id",
            "creationTimestamp",
            "lastModifiedTimestamp",
            "expirationTimestamp",
            "lastModifiedUser",
            "status",
            "links",
            "attributes",
            "customerId",
            "referenceCustomerId",
            "orderable",
            "warnings",
        }
    )

    of_orders: ClassVar[Mapping[str, OrderMember]] = {
        "billingcycle": OrderMember("give each line its own 'billingCycle'"),
        "currencycode": OrderMember("give each line its own 'currencyCode'"),
        **dict.fromkeys(
            ("alternateid", "creationdate", "currencysymbol", "totalprice", "transactiontype"),
            OrderMember(_LEAVE_OUT),
        ),
    }

    partner_on_record_attestation_accepted: StrictBool | None = None
    line_items: Annotated[list[Annotated[LineItem, COUNTED]], Field(min_length=1), LINES]
