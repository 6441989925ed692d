"""The JSON Schemas of requests and answers, made from the models that read and write them."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from cart_core.cart.answer import CartAnswer
from cart_core.cart.checkout_answer import CheckoutAnswer, OrderErrorAnswer
from cart_core.cart.request import Cart
from cart_core.catalogue.preflight import Check, Severity
from cart_core.catalogue.resolution import Failure
from cart_core.problem import CATALOGUE, MAX_REPORTED_ERRORS, Fault, FieldError, Outcome
from cart_core.storefronts.order_record import PartStatus, State
from cart_core.use_cases.readiness import LinkName, LinkStatus
from description.words import title_and_description

Json = dict[str, Any]


class ProblemAnswer(BaseModel):
    """The shape of Problem.as_json."""

    model_config = ConfigDict(
        alias_generator=to_camel, json_schema_serialization_defaults_required=True
    )

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: Annotated[str, Field(json_schema_extra={"enum": list(CATALOGUE)})]
    errors: Annotated[list[FieldError], Field(max_length=MAX_REPORTED_ERRORS)]
    request_id: str | None
    correlation_id: str
    retryable: bool
    outcome: Outcome
    partner_center: Fault | None
    cart: CartAnswer | None
    order_errors: list[OrderErrorAnswer]
    unavailable_items: Annotated[
        list["UnavailableItemAnswer"], Field(max_length=MAX_REPORTED_ERRORS)
    ]


class PairAnswer(BaseModel):
    """The shape of Pair.as_json."""

    model_config = ConfigDict(alias_generator=to_camel)

    term_duration: str | None
    billing_cycle: str


class CandidateAnswer(BaseModel):
    """The shape of Availability.as_json."""

    model_config = ConfigDict(alias_generator=to_camel)

    catalog_item_id: str
    segment: str | None
    country: str | None
    currency_code: str | None
    renewable: bool


class UnavailableItemAnswer(BaseModel):
    """The shape of NotAvailable.as_json."""

    pointer: str
    failure: Failure
    offered: list[PairAnswer]
    candidates: list[CandidateAnswer]


class _Read(BaseModel):
    """An object that a use case makes itself; its members are those of the functions named."""

    model_config = ConfigDict(alias_generator=to_camel)


class CustomerAnswer(_Read):
    """The shape of customers.customer_answer."""

    id: str
    name: str | None
    domain: str | None
    country: str | None
    relationship: str | None


class CustomersAnswer(_Read):
    """The shape of the answer of FindCustomers."""

    total_count: int
    customers: list[CustomerAnswer]


class ProductAnswer(_Read):
    """The shape of a product of SearchProducts."""

    id: str
    title: str
    product_type: str | None


class ProductsAnswer(_Read):
    """The shape of the answer of SearchProducts."""

    customer_id: str
    total_count: int
    products: list[ProductAnswer]


class OfferAnswer(_Read):
    """The shape of offers.sku_answer."""

    product_id: str
    sku_id: str
    title: str
    minimum_quantity: int | None
    maximum_quantity: int | None
    is_trial: bool
    is_addon: bool
    bases: list[str]
    purchase_prerequisites: list[str]
    provisioning_variables: list[str]
    attestation_required: bool
    pairs: list[PairAnswer] | None


class FindingAnswer(_Read):
    """The shape of Finding.as_json."""

    check: Check
    severity: Severity
    pointer: str
    detail: str


class PreflightAnswer(_Read):
    """The shape of the answer of PreflightCart."""

    customer_id: str
    blocked: bool
    findings: list[FindingAnswer]
    passed: list[Check]


class TermAnswer(_Read):
    """The shape of an entry of offers.terms_answer."""

    term_duration: str
    title: str


class BillingCycleAnswer(_Read):
    """The shape of an entry of offers.cycles_answer."""

    billing_cycle: str
    title: str


class OffersAnswer(_Read):
    """The shape of the answer of ListOffers."""

    customer_id: str
    segment: str
    offers: list[OfferAnswer]
    terms: list[TermAnswer]
    billing_cycles: list[BillingCycleAnswer]


class ResultAnswer(BaseModel):
    """The shape of the member `result` of AcceptedAnswer."""

    status: int
    headers: dict[str, str]
    body: dict[str, Any]


class AcceptedAnswer(BaseModel):
    """The shape of what accepted.Accepting says of an operation."""

    model_config = ConfigDict(
        alias_generator=to_camel, json_schema_serialization_defaults_required=True
    )

    id: str
    status: Literal["NotStarted", "Running", "Succeeded", "Failed"]
    created_date_time: AwareDatetime
    last_action_date_time: AwareDatetime
    attempts: int
    next_attempt_date_time: AwareDatetime | None
    result: ResultAnswer | None
    error: ProblemAnswer | None


class OpenOperationAnswer(BaseModel):
    """The shape of what operators see of an operation."""

    model_config = ConfigDict(
        alias_generator=to_camel, json_schema_serialization_defaults_required=True
    )

    id: str
    state: Literal["waiting", "running", "dead", "parked"]
    operation: str
    customer_id: str
    accepted_date_time: AwareDatetime
    last_action_date_time: AwareDatetime
    next_attempt_date_time: AwareDatetime | None
    attempts: int
    code: str | None
    outcome: Outcome


class OpenOperationsAnswer(BaseModel):
    """The shape of the list of operations that operators get."""

    total: int
    operations: list[OpenOperationAnswer]


class OperatedAnswer(BaseModel):
    """The shape of what an operator is told who replays or discards an operation."""

    id: str
    state: Literal["waiting", "failed", "parked"]


class LinkAnswer(BaseModel):
    """The shape of what ready.ready_response says of a link."""

    model_config = ConfigDict(
        alias_generator=to_camel, json_schema_serialization_defaults_required=True
    )

    name: LinkName
    status: LinkStatus
    milliseconds: int | None
    code: str | None
    detail: str | None
    partner_center: Fault | None


class ReadyAnswer(BaseModel):
    """The shape of the body of ready.ready_response."""

    status: Literal["ready", "not_ready"]
    version: str
    links: list[LinkAnswer]


class ReasonAnswer(BaseModel):
    """The shape of Reason.as_json."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    code: str
    line: str | None
    about: str
    advice: str


class ParkedOrderAnswer(BaseModel):
    """The shape of what operators see of a parked order."""

    model_config = ConfigDict(
        alias_generator=to_camel, json_schema_serialization_defaults_required=True
    )

    id: str
    source: str
    order_id: str
    state: Literal["parked"]
    received_date_time: AwareDatetime
    reasons: list[ReasonAnswer]


class PartResultAnswer(BaseModel):
    """The shape of PartResult."""

    model_config = ConfigDict(
        alias_generator=to_camel, json_schema_serialization_defaults_required=True
    )

    status: PartStatus
    cart_id: str | None
    orders: list[str]
    subscriptions: list[str]
    problem: str | None


class PartAnswer(BaseModel):
    """The shape of one customer's part of an order."""

    model_config = ConfigDict(
        alias_generator=to_camel, json_schema_serialization_defaults_required=True
    )

    customer_id: str
    cart: dict[str, Any]
    result: PartResultAnswer | None


class StorefrontOrderAnswer(BaseModel):
    """The shape of what operators see of an order."""

    model_config = ConfigDict(
        alias_generator=to_camel, json_schema_serialization_defaults_required=True
    )

    id: str
    source: str
    order_id: str
    state: State
    received_date_time: AwareDatetime
    reasons: list[ReasonAnswer]
    cancelled: bool
    flags: list[str]
    parts: list[PartAnswer]


class ParkedOrdersAnswer(BaseModel):
    """The shape of the list of parked orders."""

    total: int
    orders: list[ParkedOrderAnswer]


class ParkedOrderChangedAnswer(BaseModel):
    """The shape of what an operator is told who releases or discards a parked order."""

    id: str
    state: Literal["open", "discarded"]


class HealthAnswer(BaseModel):
    """The shape of the body of about.get_health."""

    status: Literal["ok"]
    version: str


def reference(model: type[BaseModel]) -> Json:
    """A reference to the schema of a model among the document's components."""
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def schemas() -> Json:
    """The schema of every model in a request or an answer, by the model's name."""
    answers = (
        *(CartAnswer, CheckoutAnswer, CustomerAnswer, CustomersAnswer, ProductsAnswer),
        *(OffersAnswer, PreflightAnswer, ProblemAnswer, HealthAnswer),
        ReadyAnswer,
        *(AcceptedAnswer, OpenOperationsAnswer, OperatedAnswer),
        *(ParkedOrdersAnswer, ParkedOrderChangedAnswer, StorefrontOrderAnswer),
    )
    definitions = {
        **_definitions([(Cart, "validation")]),
        **{
            model: _with_nulls_optional(schema)
            for model, schema in _definitions([(each, "serialization") for each in answers]).items()
        },
    }
    return {model: _described(model, schema) for model, schema in definitions.items()}


def _definitions(models: list[tuple[type[BaseModel], JsonSchemaMode]]) -> Json:
    _, schema = models_json_schema(models, ref_template="#/components/schemas/{model}")
    return {model: _simplified(definition) for model, definition in schema["$defs"].items()}


def _with_nulls_optional(schema: Json) -> Json:
    """The schema of an answer, where a request may prefer that members that are null be absent."""
    members = schema.get("properties", {})
    required = [name for name in schema.get("required", ()) if not _may_be_null(members[name])]
    return {**schema, "required": required} if "required" in schema else schema


def _may_be_null(schema: Json) -> bool:
    return "null" in schema.get("type", ()) or {"type": "null"} in schema.get("anyOf", ())


def _described(model: str, schema: Json) -> Json:
    """The schema with our title and description, and so each of its members."""
    described = _titled(schema, title_and_description(model))
    if "properties" in schema:
        described["properties"] = {
            name: _titled(member, title_and_description(name, model))
            for name, member in schema["properties"].items()
        }
    return described


def _titled(schema: Json, texts: Mapping[str, str]) -> Json:
    # Given twice, the texts come first in the file and win over pydantic's, which are docstrings.
    return {**texts, **schema, **texts}


def _simplified(schema: Any) -> Any:
    """The schema without pydantic's titles and defaults, and with "null" in a list of types.

    pydantic writes `T | None` as `anyOf` of T's schema and null. Where T has types of its own,
    "null" becomes one more of them.
    """
    if isinstance(schema, list):
        return [_simplified(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    simplified = {
        keyword: {name: _simplified(member) for name, member in value.items()}
        if keyword == "properties"
        else _simplified(value)
        for keyword, value in schema.items()
        if keyword not in {"title", "default"}
    }
    if simplified.get("additionalProperties") == {}:
        simplified["additionalProperties"] = True
    match simplified:
        case {"anyOf": [{"type": types} as one, {"type": "null"}]}:
            types = [*([types] if isinstance(types, str) else types), "null"]
            rest = {keyword: value for keyword, value in simplified.items() if keyword != "anyOf"}
            if "enum" in one:
                rest["enum"] = [*one["enum"], None]
            return {**one, "type": types, **rest}
    return simplified
