"""The sources of webhooks: the file `storefronts.toml`, validated as a whole.

Each table of the file is one source; its name is the end of the address that the shop gets. The
file has names of secrets and never a secret.
"""

import re
import tomllib
from datetime import UTC, datetime
from typing import Annotated, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from cart_core.settings import Guid, SecretName, Url
from cart_core.storefronts.customers import CustomerRules, PlaceKind
from cart_core.storefronts.release import ReleaseRule
from cart_core.storefronts.resolution import ForeignRule, MappingRules
from cart_core.storefronts.sku import Item, SkuRules
from cart_core.storefronts.standard_webhooks import (
    ATTRIBUTES,
    OF_A_LINE,
    OPTIONAL,
    REQUIRED,
    Expressions,
    InvalidExpression,
    compiled,
)

SOURCE_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,31}", re.ASCII)

MAX_SOURCES: Final = 50

PLATFORMS: Final = ("shopify", "woocommerce", "bigcommerce", "stripe", "standard_webhooks")

BILLING_CYCLES = Literal["monthly", "annual", "triennial", "biennial", "one_time", "none"]


class InvalidSources(Exception):
    """The file is wrong. `problems` name each place; none quotes a value."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class _Table(BaseModel):
    """A table of the file. A name that nobody knows is an error: it is a slip."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def _in_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("needs a zone, such as 2026-12-01T00:00:00Z")
    return moment.astimezone(UTC)


def _expression(text: str) -> str:
    try:
        compiled(text)
    except InvalidExpression as error:
        raise ValueError(str(error)) from None
    return text


Text = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Since = Annotated[datetime, Field(strict=True), AfterValidator(_in_utc)]
Expression = Annotated[Text, AfterValidator(_expression)]
Term = Annotated[str, StringConstraints(pattern=r"^P[1-9][0-9]?[DMY]$")]
Domain = Annotated[
    str,
    StringConstraints(
        to_lower=True,
        max_length=253,
        pattern=r"^([0-9a-zA-Z-]{1,63}\.)+[a-zA-Z][0-9a-zA-Z-]{1,62}$",
    ),
]


_GUID = TypeAdapter(Guid)
_DOMAIN = TypeAdapter(Domain)


def _tenant(text: str) -> str:
    for kind in (_GUID, _DOMAIN):
        try:
            return str(kind.validate_python(text))
        except ValidationError:
            continue
    raise ValueError("must be a tenant id (a GUID) or a domain")


class _CustomerRow(_Table):
    """One row of the map: one id of the shop, and the customer's tenant."""

    company_location: Text | None = None
    company: Text | None = None
    customer: Text | None = None
    external_id: Text | None = None
    tenant: Annotated[str, AfterValidator(_tenant)]

    @model_validator(mode="after")
    def _require_one_place(self) -> "_CustomerRow":
        if len(self.model_fields_set - {"tenant"}) != 1:
            raise ValueError(
                "name one of company_location, company, customer and external_id in each row"
            )
        return self

    @property
    def place(self) -> tuple[PlaceKind, str]:
        """What the row is found by."""
        (kind,) = self.model_fields_set - {"tenant"}
        return kind, getattr(self, kind)  # type: ignore[return-value]  # the fields are the kinds


class _Customer(_Table):
    attributes: list[Text] = []
    by_email_domain: bool = False
    map: list[_CustomerRow] = []

    @model_validator(mode="after")
    def _require_unique_rows(self) -> "_Customer":
        if len({row.place for row in self.map}) != len(self.map):
            raise ValueError("two rows of the map name the same id")
        return self


class _Item(_Table):
    product: Annotated[str, StringConstraints(pattern=r"^[0-9A-Z]{12}$")]
    sku: Annotated[str, StringConstraints(pattern=r"^[0-9A-Z]{4}$")]
    term: Term | None = None
    billing: BILLING_CYCLES


class _Sku(_Table):
    term: Term | None = None
    billing: BILLING_CYCLES | None = None
    foreign: list[Text] = []
    table: dict[Text, _Item] = {}

    @model_validator(mode="after")
    def _require_one_meaning(self) -> "_Sku":
        if not self.table.keys().isdisjoint(self.foreign):
            raise ValueError("a SKU is in the table and in the list of foreign ones")
        return self


class _Report(_Table):
    url: Url
    secret: SecretName


class _Source(_Table):
    """What every source has."""

    secrets: Annotated[list[SecretName], Field(min_length=1, max_length=5)]
    since: Since | None = None
    release: ReleaseRule = "paid"
    into: Literal["order", "cart"] = "order"
    preflight: bool = False
    foreign_lines: ForeignRule = "ignore"
    customer: _Customer = _Customer()
    sku: _Sku = _Sku()
    report: _Report | None = None

    def rules(self, since: datetime) -> MappingRules:
        """How the source's orders are read; `since` is used where the file names none."""
        rows = {row.place: row.tenant for row in self.customer.map}
        table = {
            name: Item(item.product, item.sku, item.term, item.billing)
            for name, item in self.sku.table.items()
        }
        return MappingRules(
            since=self.since or since,
            release=self.release,
            customers=CustomerRules(
                tuple(self.customer.attributes), rows, self.customer.by_email_domain
            ),
            skus=SkuRules(table, frozenset(self.sku.foreign), self.sku.term, self.sku.billing),
            foreign_lines=self.foreign_lines,
        )


class ShopifySource(_Source):
    """A shop at Shopify."""

    platform: Literal["shopify"]


class WooCommerceSource(_Source):
    """A shop with WooCommerce."""

    platform: Literal["woocommerce"]


class BigCommerceSource(_Source):
    """A store at BigCommerce, and the secret with the token by which its orders are read."""

    platform: Literal["bigcommerce"]
    store_hash: Annotated[str, StringConstraints(pattern=r"^[0-9a-z]{1,32}$")]
    access_token: SecretName
    api: Url = "https://api.bigcommerce.com"


class StripeSource(_Source):
    """An account at Stripe, and the secret with the key by which its sessions are read."""

    platform: Literal["stripe"]
    api_key: SecretName
    api: Url = "https://api.stripe.com"


class StandardWebhooksSource(_Source):
    """Any sender that signs by Standard Webhooks."""

    platform: Literal["standard_webhooks"]
    types: Annotated[list[Text], Field(min_length=1, max_length=20)]
    expressions: dict[str, Expression]

    @model_validator(mode="after")
    def _require_known_members(self) -> "StandardWebhooksSource":
        known = {*REQUIRED, *OPTIONAL, *OF_A_LINE, *ATTRIBUTES}
        required = {*REQUIRED, *OF_A_LINE}
        if self.release == "paid":
            required.add("paid")
        if missing := sorted(required - self.expressions.keys()):
            raise ValueError(f"expressions: add {', '.join(missing)}")
        if self.expressions.keys() - known:
            raise ValueError(f"expressions: only these are known: {', '.join(sorted(known))}")
        return self

    def compiled_expressions(self) -> Expressions:
        """The expressions, ready to be used."""
        return Expressions.compiled(tuple(self.types), self.expressions)


Source = (
    ShopifySource | WooCommerceSource | BigCommerceSource | StripeSource | StandardWebhooksSource
)

_SOURCE: Final[TypeAdapter[Source]] = TypeAdapter(
    Annotated[Source, Field(discriminator="platform")]
)


def read_sources(text: str) -> dict[str, Source]:
    """The sources in a file, by their names. Raises InvalidSources with all problems at once."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidSources([f"not TOML: {error}"]) from None
    problems: list[str] = []
    sources: dict[str, Source] = {}
    if len(tables) > MAX_SOURCES:
        problems.append(f"there are more than {MAX_SOURCES} sources")
    for name, table in tables.items():
        if not SOURCE_NAME.fullmatch(name):
            problems.append(
                f"{name}: a source's name has 1 to 32 of a-z, 0-9 and '-', and begins with a letter"
            )
        try:
            sources[name] = _SOURCE.validate_python(table)
        except ValidationError as invalid:
            problems += _problems(name, invalid)
    if problems:
        raise InvalidSources(problems)
    return sources


def _problems(name: str, invalid: ValidationError) -> list[str]:
    """Each problem with its place as the file spells it, which has no name of a platform in it."""
    found = []
    for error in invalid.errors(include_input=False, include_url=False):
        if error["type"] in _UNION_ERRORS:
            found.append(f"{name}.platform: must be one of {', '.join(PLATFORMS)}")
            continue
        place = error["loc"][1:]
        message = error["msg"].removeprefix("Value error, ")
        found.append(f"{'.'.join([name, *map(str, place)])}: {message}")
    return found


_UNION_ERRORS: Final = frozenset(
    ("union_tag_not_found", "union_tag_invalid", "model_attributes_type")
)
