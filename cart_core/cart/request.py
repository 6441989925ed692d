"""The cart a caller sends: what is accepted, what is refused, and what goes to Partner Center.

The models are Partner Center's Cart and CartLineItem ("Create a cart", "Cart resources"). Member
names match in any case, as Partner Center itself matches them. Members that Partner Center assigns
may be present, as in a cart pasted from an answer, and are not sent. Members that nobody documents
are sent as they came, unless their name looks like a slip of a documented one: ignored silently,
such a slip would buy the wrong thing.
"""

import difflib
import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails, PydanticCustomError

from cart_core.api.body import pointer_to
from cart_core.cart.spelling import (
    billing_cycle,
    format_timestamp,
    is_unset,
    parse_timestamp,
    participant_pairs,
    single,
    wire_names,
    without_separators,
)
from cart_core.cart.vocabulary import BILLING_CYCLES, KNOWN_TERMS
from cart_core.problem import MAX_REPORTED_ERRORS, FieldError, invalid_request

_OUTSIDE_THE_BODY = frozenset({"invalid_customer_id", "invalid_cart_id", "invalid_customer_user"})

INT32_MAX = 2**31 - 1
MAX_UNKNOWN_MEMBERS = 100


@dataclass(frozen=True, slots=True)
class CartRules:
    """The operator's choices (settings CART_MAX_QUANTITY and CART_UNKNOWN_MEMBERS)."""

    max_quantity: int | None = None
    unknown_members: Literal["forward", "reject"] = "forward"


@dataclass(frozen=True, slots=True)
class CartRequest:
    """A valid cart: `body` is what Partner Center gets, `warnings` what the caller should know."""

    body: dict[str, Any]
    warnings: tuple[FieldError, ...]

    def warned(self, warning: FieldError) -> "CartRequest":
        """The same cart with one more warning."""
        return CartRequest(self.body, (*self.warnings, warning))


def read_cart(
    document: Any,
    customer_id: str,
    rules: CartRules,
    flaws: list[FieldError],
    *,
    cart_id: str | None = None,
) -> CartRequest:
    """Validate a parsed body for a customer (a lower-case GUID).

    With `cart_id` it is what shall be in that cart, such as an answer of ours with changes: `body`
    gets the id, and a member that is called nearly as a documented one passes where that one is
    there too, as in every answer. `flaws` are the errors already found. Raises Problem
    `invalid_request` with these and everything else that is wrong, in one go.
    """
    errors = list(flaws)
    for place in _differing(document, "customerId", customer_id):
        detail = "Differs from the customerId in the path."
        errors.append(FieldError(place, "customer_mismatch", detail))
    for place in _differing(document, "id", cart_id) if cart_id else ():
        errors.append(FieldError(place, "cart_mismatch", "Differs from the cartId in the path."))
    spelling = _Spelling(document)
    try:
        cart = Cart.model_validate(document, context=_Progress(rules, answered=cart_id is not None))
    except ValidationError as invalid:
        found = _found(invalid)
        flawed = {flaw.pointer for flaw in flaws if flaw.code not in _OUTSIDE_THE_BODY}
        explained = [_explained(error, spelling) for error in found[:MAX_REPORTED_ERRORS]]
        errors += [error for error in explained if error.pointer not in flawed]
        raise invalid_request(errors, unlisted=len(found) - len(explained)) from None
    if errors:
        raise invalid_request(errors)
    body = _with_line_ids(cart.model_dump(by_alias=True, exclude_unset=True))
    if cart_id is not None:
        body = {"id": cart_id, **body}
    warnings = itertools.islice(_warnings(cart, (), spelling), MAX_REPORTED_ERRORS)
    return CartRequest(body, tuple(warnings))


@dataclass(slots=True)
class _Progress:
    """What one validation run has to remember across members."""

    rules: CartRules
    answered: bool = False
    line_ids: set[int] = field(default_factory=set)
    unknown_members: int = 0


@dataclass(frozen=True, slots=True)
class _Refused:
    """Stands in for the value of a member that must not be sent on under its name."""

    error: PydanticCustomError


def _unknown_member(value: Any, info: ValidationInfo[_Progress]) -> Any:
    if isinstance(value, _Refused):
        raise value.error
    progress = info.context
    progress.unknown_members += 1
    if progress.rules.unknown_members == "reject":
        raise PydanticCustomError("unknown_member", "Partner Center documents no such member.")
    if progress.unknown_members > MAX_UNKNOWN_MEMBERS and not progress.answered:
        raise PydanticCustomError(
            "unknown_member",
            f"A cart may carry at most {MAX_UNKNOWN_MEMBERS} undocumented members.",
        )
    return value


class Resource(BaseModel):
    """A JSON object of Partner Center as callers write it."""

    model_config = ConfigDict(frozen=True, extra="allow", alias_generator=to_camel)
    __pydantic_extra__: dict[str, Annotated[Any, BeforeValidator(_unknown_member)]]

    other_names: ClassVar[Mapping[str, str]] = {}
    """Names that stand for a documented member."""
    not_sent: ClassVar[frozenset[str]] = frozenset()
    """Members of answers: tolerated in a request, never sent on."""

    @model_validator(mode="before")
    @classmethod
    def _match_names(cls, members: Any, info: ValidationInfo[_Progress]) -> Any:
        if not isinstance(members, dict):
            return members
        names = _names(cls)
        spared = cls._spared(members) if info.context.answered else frozenset()
        matched: dict[str, Any] = {}
        for given in sorted(members, key=cls._is_other_name):
            value = members[given]
            if given.lower() not in names:
                matched[given] = _refuse_if_misspelled(given, value, names, spared)
                continue
            name = names[given.lower()]
            if name is None or value is None or (name == "customTermEndDate" and is_unset(value)):
                continue
            if matched.setdefault(name, value) != value:
                matched[given] = _Refused(_given_twice(name))
        return matched

    @classmethod
    def _spared(cls, members: dict[str, Any]) -> frozenset[str]:
        """The names that nothing else can be a slip of: they are there, or are not sent at all."""
        there = frozenset(map(str.lower, [*members, *cls.not_sent]))
        return there | {other for other, name in cls.other_names.items() if name.lower() in there}

    @classmethod
    def _is_other_name(cls, given: str) -> bool:
        return given.lower() in cls.other_names


@cache
def _names(resource: type[Resource]) -> dict[str, str | None]:
    """Lower-case name -> name to send, or None for a member that is not sent."""
    not_sent = dict.fromkeys(map(str.lower, resource.not_sent))
    return {**not_sent, **wire_names(resource), **resource.other_names}


def _refuse_if_misspelled(
    given: str, value: Any, names: Mapping[str, str | None], spared: frozenset[str]
) -> Any:
    bare = without_separators(given)
    near = [name for name in names if abs(len(name) - len(bare)) <= 2 and name not in spared]
    meant = difflib.get_close_matches(bare, near, n=1, cutoff=0.8)
    return _Refused(_misspelled(names[meant[0]] or meant[0])) if meant else value


def _misspelled(name: str) -> PydanticCustomError:
    return PydanticCustomError(
        "misspelled_member", "No such member; did you mean '{meant}'?", {"meant": name}
    )


def _given_twice(name: str) -> PydanticCustomError:
    return PydanticCustomError(
        "duplicate_member", "Another name of '{meant}', which differs.", {"meant": name}
    )


_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def _printable(text: str) -> str:
    if _CONTROL.search(text):
        raise PydanticCustomError("invalid_text", "Must not contain control characters.")
    return text


def _not_blank(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("invalid_text", "Must not be blank.")
    return text


def _accepts(**keywords: Any) -> Any:
    """What a validator of ours accepts, told in JSON Schema's words; see openapi.py."""
    return Field(json_schema_extra=keywords)


_PRINTABLE = r"^[^\u0000-\u001f\u007f]*$"
_NOT_BLANK = r"^[^\u0000-\u001f\u007f]*[^\u0000-\u001f\u007f\s][^\u0000-\u001f\u007f]*$"

Text = Annotated[str, Strict(), AfterValidator(_printable), _accepts(pattern=_PRINTABLE)]
Word = Annotated[
    Text,
    Field(min_length=1),
    AfterValidator(_not_blank),
    _accepts(pattern=_NOT_BLANK),
]
"""A text that says something: at least one character of it is no white space."""
Flag = Annotated[bool, Strict()]


_DECIMAL = re.compile(r"0|[1-9][0-9]{0,9}")


def _decimal(value: Any) -> Any:
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        return int(value)
    return value


def _unique(line_id: int, info: ValidationInfo[_Progress]) -> int:
    line_ids = info.context.line_ids
    if line_id in line_ids:
        raise PydanticCustomError("duplicate_id", "Another line item or add-on has this id.")
    line_ids.add(line_id)
    return line_id


def _within_limit(quantity: int, info: ValidationInfo[_Progress]) -> int:
    limit = info.context.rules.max_quantity
    if limit is not None and quantity > limit:
        raise PydanticCustomError(
            "out_of_range", "Must be at most {limit} (this function's own limit).", {"limit": limit}
        )
    return quantity


def _currency_code(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z]{3}", text):
        raise PydanticCustomError("invalid_format", "Must be a currency of three letters: 'USD'.")
    return text.upper()


def _billing_cycle(text: str) -> str:
    if cycle := billing_cycle(text):
        return cycle
    raise PydanticCustomError("unknown_value", f"Must be one of: {', '.join(BILLING_CYCLES)}.")


_DURATION = re.compile(
    r"P(?!$)(\d+Y)?(\d+M)?(\d+W)?(\d+D)?(T(?!$)(\d+H)?(\d+M)?(\d+S)?)?", re.ASCII
)


def _duration(text: str) -> str:
    if not _DURATION.fullmatch(text):
        raise PydanticCustomError("invalid_format", "Must be an ISO 8601 duration: 'P1Y'.")
    return text


def _date(text: str) -> str:
    try:
        return format_timestamp(parse_timestamp(text), "auto")
    except ValueError:
        raise PydanticCustomError(
            "invalid_format", "Must be an RFC 3339 date-time: '2027-01-31T00:00:00Z'."
        ) from None


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: item for key, item in value.items() if item is not None}
    return value


Currency = Annotated[Text, AfterValidator(_currency_code), _accepts(pattern="^[A-Za-z]{3}$")]
BillingCycle = Annotated[
    str, Strict(), AfterValidator(_billing_cycle), _accepts(enum=list(BILLING_CYCLES))
]
Duration = Annotated[
    Word,
    AfterValidator(_duration),
    _accepts(pattern=f"^{_DURATION.pattern}$".replace(r"\d", "[0-9]")),
]
Date = Annotated[Text, AfterValidator(_date), _accepts(format="date-time")]
LineId = Annotated[
    int,
    BeforeValidator(_decimal),
    Strict(),
    Field(ge=0, le=INT32_MAX),
    AfterValidator(_unique),
    WithJsonSchema(
        {
            "type": ["integer", "string"],
            "minimum": 0,
            "maximum": INT32_MAX,
            "pattern": f"^({_DECIMAL.pattern})$",
        }
    ),
]


class Participant(Resource):
    """A participant: `key` such as `transaction_reseller`, `value` a PartnerID; keys may repeat."""

    key: Word
    value: Word


class RenewsTo(Resource):
    """What a trial turns into when it ends."""

    term_duration: Duration | None = None


class PurchaseCommitment(Resource):
    """The commitment of an Azure savings plan."""

    amount: Annotated[float, Strict(), Field(gt=0)] | None = None
    currency: Word | None = None
    grain: Word | None = None


Participants = Annotated[
    list[Participant],
    BeforeValidator(
        participant_pairs,
        json_schema_input_type=list[Participant]
        | Annotated[
            dict[str, Word], _accepts(propertyNames={"minLength": 1, "pattern": _NOT_BLANK})
        ],
    ),
]
Texts = Annotated[
    dict[str, Text],
    BeforeValidator(_without_nulls, json_schema_input_type=dict[str, Text | None]),
]
OneRenewsTo = Annotated[
    RenewsTo,
    BeforeValidator(
        single,
        json_schema_input_type=RenewsTo
        | Annotated[list[RenewsTo], Field(min_length=1, max_length=1)],
    ),
]


class LineItem(Resource):
    """CartLineItem: one product to buy."""

    other_names = {"catalogid": "catalogItemId"}
    not_sent = frozenset({"error", "pricing"})

    id: LineId | None = None
    catalog_item_id: Word
    friendly_name: Text | None = None
    quantity: Annotated[int, Strict(), Field(ge=1, le=INT32_MAX), AfterValidator(_within_limit)]
    currency_code: Currency | None = None
    billing_cycle: BillingCycle
    term_duration: Duration | None = None
    participants: Participants | None = None
    provisioning_context: Texts | None = None
    order_group: Text | None = None
    addon_items: "list[LineItem] | None" = None
    renews_to: OneRenewsTo | None = None
    promotion_id: Text | None = None
    custom_term_end_date: Date | None = None
    attestation_accepted: Flag | None = None
    purchase_commitment: PurchaseCommitment | None = None
    purchase_system: Text | None = None


class Cart(Resource):
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
            "orderable",
            "warnings",
        }
    )

    partner_on_record_attestation_accepted: Flag | None = None
    line_items: Annotated[list[LineItem], Field(min_length=1)]


_DETAILS: Mapping[str, tuple[str, str]] = {
    "missing": ("required", "'{name}' is required."),
    "model_type": ("wrong_type", "Must be an object."),
    "dict_type": ("wrong_type", "Must be an object."),
    "list_type": ("wrong_type", "Must be an array."),
    "string_type": ("wrong_type", "Must be a text in quotes."),
    "bool_type": ("wrong_type", "Must be true or false."),
    "float_type": ("wrong_type", "Must be a number without quotes."),
    "int_type": ("wrong_type", "Must be a whole number without quotes or decimal point."),
    "greater_than": ("out_of_range", "Must be more than {gt}."),
    "greater_than_equal": ("out_of_range", "Must be at least {ge}."),
    "less_than_equal": ("out_of_range", "Must be at most {le}."),
    "too_short": ("too_short", "Must have at least {min_length} item."),
    "string_too_short": ("too_short", "Must not be empty."),
    "string_unicode": ("invalid_text", "Must be valid Unicode."),
}
"""pydantic's error types -> our code and words; types of our own carry both themselves."""


def _found(invalid: ValidationError) -> list[ErrorDetails]:
    """pydantic's errors, without those that only follow from a misspelled name."""
    errors = invalid.errors(include_input=False, include_url=False)
    meant = {
        (error["loc"][:-1], error["ctx"]["meant"])
        for error in errors
        if error["type"] == "misspelled_member"
    }
    return [
        error
        for error in errors
        if error["type"] != "missing" or (error["loc"][:-1], error["loc"][-1]) not in meant
    ]


def _explained(error: ErrorDetails, spelling: "_Spelling") -> FieldError:
    loc = error["loc"]
    code, detail = _DETAILS.get(error["type"], (error["type"], ""))
    detail = detail.format(name=loc[-1] if loc else "", **error.get("ctx", {})) or error["msg"]
    return FieldError(spelling.pointer(loc), code, detail)


class _Spelling:
    """The caller's own names for places in the models."""

    def __init__(self, document: Any) -> None:
        self._document = document
        self._names: dict[int, dict[str | int, str]] = {}  # of each object seen, by its identity

    def pointer(self, loc: tuple[str | int, ...]) -> str:
        """The JSON Pointer for a place, in the spelling of the caller's document."""
        pointer, here = "", self._document
        for step in loc:
            if isinstance(here, list) and isinstance(step, str):  # renewsTo given as an array
                pointer, here = pointer_to(pointer, 0), here[0]
            if isinstance(here, dict):
                name = self._name(here, step)
                pointer = pointer_to(pointer, name)
                here = here.get(name) if isinstance(step, str) else None
            elif isinstance(here, list) and isinstance(step, int):
                pointer, here = pointer_to(pointer, step), here[step]
        return pointer

    def _name(self, members: dict[str, Any], step: str | int) -> str:
        if step in members:
            return str(step)
        names = self._names.get(id(members))
        if names is None:
            others = LineItem.other_names
            names = {others.get(name.lower(), name).lower(): name for name in members}
            names |= dict(enumerate(members))  # for participants given as an object
            self._names[id(members)] = names
        return names.get(step.lower() if isinstance(step, str) else step, str(step))


def _differing(document: Any, member: str, own: str) -> Iterator[str]:
    """Where the body's `member` says something else than the path."""
    for name, value in document.items() if isinstance(document, dict) else ():
        same = value is None or (isinstance(value, str) and value.lower() == own)
        if name.lower() == member.lower() and not same:
            yield pointer_to("", name)


def _warnings(
    resource: Resource, loc: tuple[str | int, ...], spelling: _Spelling
) -> Iterator[FieldError]:
    for name in resource.model_extra or ():
        yield FieldError(
            spelling.pointer((*loc, name)),
            "unknown_member",
            "Sent on as it came: Partner Center documents no such member.",
        )
    for field_name, info in type(resource).model_fields.items():
        if field_name not in resource.model_fields_set:
            continue
        value, here = getattr(resource, field_name), (*loc, info.alias or field_name)
        if isinstance(value, Resource):
            yield from _warnings(value, here, spelling)
        elif field_name == "term_duration" and value is not None and value not in KNOWN_TERMS:
            yield FieldError(
                spelling.pointer(here),
                "unknown_term",
                f"Sent on; the documented terms are {', '.join(sorted(KNOWN_TERMS))}.",
            )
        elif isinstance(value, list):
            for index, item in enumerate(value):
                yield from _warnings(item, (*here, index), spelling)


def _with_line_ids(body: dict[str, Any]) -> dict[str, Any]:
    """Give each line without an id the lowest unused one, parents before their add-ons."""
    taken = set(_line_ids(body["lineItems"]))
    free = (number for number in itertools.count() if number not in taken)

    def numbered(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            {
                "id": line["id"] if "id" in line else next(free),
                **line,
                **({"addonItems": numbered(line["addonItems"])} if "addonItems" in line else {}),
            }
            for line in lines
        ]

    return {**body, "lineItems": numbered(body["lineItems"])}


def _line_ids(lines: list[dict[str, Any]]) -> Iterator[int]:
    for line in lines:
        if "id" in line:
            yield line["id"]
        yield from _line_ids(line.get("addonItems", []))
