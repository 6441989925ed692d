"""Matching of the member names in a request to those that Partner Center documents.

Names match in any case, as Partner Center itself matches them. Members that Partner Center assigns
may be present, as in a cart copied from an answer, and are not sent. Members that nobody documents
are sent as they came, unless their name looks like a misspelling of a documented one: Partner
Center would ignore such a member without a word, and the customer would buy the wrong thing.
"""

import difflib
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationInfo, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from cart_core.cart.request_types import Refused, refuse
from cart_core.cart.spelling import is_unset_date, wire_names, without_separators
from cart_core.cart.validation_context import ValidationContext


def _unknown_member(value: Any, info: ValidationInfo[ValidationContext]) -> Any:
    refuse(value)
    context = info.context
    context.unknown_members += 1
    if context.reject_unknown_members:
        raise PydanticCustomError("unknown_member", "Partner Center documents no such member.")
    limit = context.max_unknown_members
    if limit is not None and context.unknown_members > limit:
        raise PydanticCustomError(
            "unknown_member", f"A cart may carry at most {limit} undocumented members."
        )
    return value


class RequestModel(BaseModel):
    """A JSON object of Partner Center as callers write it. Validation needs a ValidationContext."""

    model_config = ConfigDict(frozen=True, extra="allow", alias_generator=to_camel)
    __pydantic_extra__: dict[str, Annotated[Any, BeforeValidator(_unknown_member)]]

    aliases: ClassVar[Mapping[str, str]] = {}
    """Other names of documented members: lower-case alias -> documented name."""
    not_sent: ClassVar[frozenset[str]] = frozenset()
    """Members that only answers have. A request may carry them, and they are never sent."""
    dates: ClassVar[frozenset[str]] = frozenset()
    """Documented names of the members in which .NET's default date stands for no date."""

    @model_validator(mode="before")
    @classmethod
    def _match_names(cls, members: Any, info: ValidationInfo[ValidationContext]) -> Any:
        if not isinstance(members, dict):
            return members
        names = _known_names(cls)
        exempt = cls._not_misspelt(members) if info.context.replaces_cart else frozenset()
        matched: dict[str, Any] = {}
        for given in sorted(members, key=cls._is_alias):  # an alias is compared to the real name
            value = members[given]
            if given.lower() not in names:
                matched[given] = _refuse_if_misspelt(given, value, names, exempt)
                continue
            name = names[given.lower()]
            if name is None or value is None or (name in cls.dates and is_unset_date(value)):
                continue
            if matched.setdefault(name, value) != value:
                matched[given] = Refused(_differing_alias(name))
        return matched

    @classmethod
    def _not_misspelt(cls, members: Mapping[str, Any]) -> frozenset[str]:
        """The lower-case names that no other member can be meant to be.

        They are in the document themselves, or they would not be sent.
        """
        present = frozenset(map(str.lower, [*members, *cls.not_sent]))
        return present | {alias for alias, name in cls.aliases.items() if name.lower() in present}

    @classmethod
    def _is_alias(cls, given: str) -> bool:
        return given.lower() in cls.aliases


@cache
def _known_names(model: type[RequestModel]) -> Mapping[str, str | None]:
    """Lower-case name -> name to send, or None for a member that is not sent."""
    not_sent = dict.fromkeys(map(str.lower, model.not_sent))
    return {**not_sent, **wire_names(model), **model.aliases}


def _refuse_if_misspelt(
    given: str, value: Any, names: Mapping[str, str | None], exempt: frozenset[str]
) -> Any:
    bare = without_separators(given)
    candidates = [name for name in names if abs(len(name) - len(bare)) <= 2 and name not in exempt]
    nearest = difflib.get_close_matches(bare, candidates, n=1, cutoff=0.8)
    return Refused(_misspelt(names[nearest[0]] or nearest[0])) if nearest else value


def _misspelt(name: str) -> PydanticCustomError:
    return PydanticCustomError(
        "misspelled_member", "No such member; did you mean '{meant}'?", {"meant": name}
    )


def _differing_alias(name: str) -> PydanticCustomError:
    return PydanticCustomError(
        "duplicate_member", "Another name of '{meant}', which differs.", {"meant": name}
    )
