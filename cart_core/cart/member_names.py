"""Matching of the member names in a request to those that Partner Center documents.

Names match in any case, as Partner Center itself matches them. Members that Partner Center assigns
may be present, as in a cart copied from an answer, and are not sent. Members that nobody documents
are sent as they came, unless their name looks like a misspelling of a documented one: Partner
Center would ignore such a member without a word, and the customer would buy the wrong thing.
"""

import difflib
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, ClassVar, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationInfo, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from cart_core.cart.request_types import Refused, error_in_undocumented, refuse
from cart_core.cart.spelling import is_unset_date, wire_names, without_separators
from cart_core.cart.validation_context import ValidationContext

MAX_COMPARED_NAMES = 200
"""How many unknown names of a cart are compared with the documented ones."""


class OrderMember(NamedTuple):
    """A member of an order: what to do instead in a cart, and the required member it stands for."""

    instead: str
    meant: str = ""


class RequestModel(BaseModel):
    """A JSON object of Partner Center as callers write it. Validation needs a ValidationContext."""

    model_config = ConfigDict(frozen=True, extra="allow", alias_generator=to_camel)
    __pydantic_extra__: dict[str, Annotated[Any, BeforeValidator(refuse)]]

    aliases: ClassVar[Mapping[str, str]] = {}
    """Other names of documented members: lower-case alias -> documented name."""
    not_sent: ClassVar[frozenset[str]] = frozenset()
    """Members that only answers have. A request may carry them, and they are never sent."""
    not_answered: ClassVar[frozenset[str]] = frozenset()
    """Documented members that only requests have."""
    of_orders: ClassVar[Mapping[str, OrderMember]] = {}
    """Members of Partner Center's orders, by their lower-case name."""
    dates: ClassVar[frozenset[str]] = frozenset()
    """Documented names of the members in which .NET's default date stands for no date."""

    @model_validator(mode="before")
    @classmethod
    def _match_names(cls, members: Any, info: ValidationInfo[ValidationContext]) -> Any:
        """The members under their documented names; those that must not be sent as a Refused."""
        if not isinstance(members, dict):
            return members
        context = info.context
        names = _known_names(cls)
        exempt: frozenset[str] | None = frozenset()
        if context.replaces_cart:
            exempt = cls._not_misspelt(members)
            if exempt.issuperset(_sent_names(cls)):  # as in every answer
                exempt = None
        matched: dict[str, Any] = {}
        aliases: list[str] = []
        for given, value in members.items():
            lower = given.lower()
            name = names.get(lower, "")
            if name == "":
                if lower in cls.of_orders and not context.replaces_cart:
                    if value is not None:
                        matched[given] = Refused(cls._of_order(lower))
                elif not context.enough:
                    matched[given] = cls._unknown(given, value, exempt, context)
            elif lower in cls.aliases:
                aliases.append(given)  # They are compared to the real names.
            else:
                cls._put(matched, given, name, value)
        for given in aliases:
            cls._put(matched, given, names[given.lower()], members[given])
        cls._complete(matched, context)
        return matched

    @classmethod
    def _complete(cls, matched: dict[str, Any], context: ValidationContext) -> None:
        """Make one way to write the object of those that a model has besides its own."""

    @classmethod
    def _of_order(cls, lower: str) -> PydanticCustomError:
        return PydanticCustomError(
            "order_member",
            "This is a member of an order, and a cart is needed: {instead}.",
            cls.of_orders[lower]._asdict(),
        )

    @classmethod
    def _put(cls, matched: dict[str, Any], given: str, name: str | None, value: Any) -> None:
        if name is None or value is None or (name in cls.dates and is_unset_date(value)):
            return
        if matched.setdefault(name, value) != value:
            matched[given] = Refused(_differing_alias(name))

    @classmethod
    def _unknown(
        cls, given: str, value: Any, exempt: frozenset[str] | None, context: ValidationContext
    ) -> Any:
        """The value of a member that nobody documents, or why it must not be sent.

        Its name is not compared where `exempt` is None: no other one can be meant.
        """
        error = None if exempt is None else cls._misspelt(given, exempt, context)
        if error is None and not context.replaces_cart:  # What was answered can be put back.
            error = error_in_undocumented(given, value)
        if error is None:
            context.unknown_members += 1
            error = _undocumented(context)
        if error is None:
            return value
        context.errors += 1
        return Refused(error)

    @classmethod
    def _misspelt(
        cls, given: str, exempt: frozenset[str], context: ValidationContext
    ) -> PydanticCustomError | None:
        """The error of a name that resembles a documented one which is sent, unless exempt."""
        meant = context.meant.get((cls, given))
        if meant is None:
            if len(context.meant) == MAX_COMPARED_NAMES:
                return _too_many_names()
            meant = context.meant[cls, given] = _resembled(cls, given)
        for name in meant:
            if name not in exempt:
                return _misspelt(_known_names(cls)[name] or name)
        return None

    @classmethod
    def _not_misspelt(cls, members: Mapping[str, Any]) -> frozenset[str]:
        """The lower-case documented names that no unknown name can be a misspelling of.

        A documented name is exempt where the document has it besides, where it would not be sent,
        or where no answer of this API has it.
        """
        present = frozenset(map(str.lower, [*members, *cls.not_sent, *cls.not_answered]))
        return present | {alias for alias, name in cls.aliases.items() if name.lower() in present}


@cache
def _known_names(model: type[RequestModel]) -> Mapping[str, str | None]:
    """Lower-case name -> name to send, or None for a member that is not sent."""
    not_sent = dict.fromkeys(map(str.lower, model.not_sent))
    return {**not_sent, **wire_names(model), **model.aliases}


@cache
def _sent_names(model: type[RequestModel]) -> tuple[str, ...]:
    """The lower-case names of the members that are sent."""
    return tuple(name for name, sent_as in _known_names(model).items() if sent_as)


def _resembled(model: type[RequestModel], given: str) -> tuple[str, ...]:
    """The lower-case names of `model` that are sent and that `given` resembles, the nearest first.

    A name resembles another one if few of its letters are wrong.
    """
    bare = without_separators(given)
    candidates = [name for name in _sent_names(model) if abs(len(name) - len(bare)) <= 2]
    return tuple(difflib.get_close_matches(bare, candidates, len(candidates) or 1, cutoff=0.8))


def _undocumented(context: ValidationContext) -> PydanticCustomError | None:
    if context.reject_unknown_members:
        return PydanticCustomError("unknown_member", "Partner Center documents no such member.")
    limit = context.max_unknown_members
    if limit is not None and context.unknown_members > limit:
        return PydanticCustomError(
            "unknown_member", f"A cart may carry at most {limit} undocumented members."
        )
    return None


def _too_many_names() -> PydanticCustomError:
    return PydanticCustomError(
        "unknown_member",
        f"A cart may carry at most {MAX_COMPARED_NAMES} different names of undocumented members.",
    )


def _misspelt(name: str) -> PydanticCustomError:
    return PydanticCustomError(
        "misspelled_member", "No such member; did you mean '{meant}'?", {"meant": name}
    )


def _differing_alias(name: str) -> PydanticCustomError:
    return PydanticCustomError(
        "duplicate_member", "Another name of '{meant}', which differs.", {"meant": name}
    )
