"""What the page is made of: panels with rows, and actions with fields.

The browser draws every panel and every action in the same way, so whoever runs a cloud can add
panels and actions for what only they know.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Tone = Literal["", "good", "bad", "busy"]
"""How a row looks beside what it says: done, failed, under way, or none of these."""

Values = Mapping[str, Any]
"""The values of an action's fields by their names; a field that was not sent has its default."""


class PageError(Exception):
    """What was asked of the page cannot be done; the text says why, for the person who asked."""


@dataclass(frozen=True, slots=True)
class Button:
    """A button in a row: it carries out an action with these values."""

    label: str
    action: str
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a panel. The cells are texts, one for each column.

    `id` is unique in the panel. Rows of the same `group` that follow each other have one heading.
    """

    id: str
    cells: Sequence[str]
    tone: Tone = ""
    group: str = ""
    buttons: Sequence[Button] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """A part of what a row or an action has to tell: a heading with a text of any length."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Panel:
    """A table of the page, whose rows are read again and again while somebody looks."""

    id: str
    title: str
    about: str
    """What it shows, in a sentence."""
    columns: Sequence[str]
    rows: Callable[[], Awaitable[Sequence[Row]]]
    detail: Callable[[str], Awaitable[Sequence[Section]]]
    """What there is to know about the row with an id. Raises PageError for a row that is gone."""
    empty: str = "Nothing yet."

    def as_json(self) -> dict[str, Any]:
        """What the browser has to know before the first row comes."""
        return {
            **{"id": self.id, "title": self.title, "about": self.about, "empty": self.empty},
            "columns": list(self.columns),
        }


@dataclass(frozen=True, slots=True)
class Field:
    """Something to fill in before an action is carried out.

    With `choices` (label by value) it is a list to choose from. The type of `default` is the type
    of the value: a text, a number, or true or false. With `long` the text has several lines.
    """

    name: str
    label: str
    default: str | float | bool = ""
    choices: Mapping[str, str] | None = None
    long: bool = False
    maximum: float = 3600
    """Of a number."""


@dataclass(frozen=True, slots=True)
class Done:
    """What came of an action: a sentence, and more of it to read."""

    said: str
    sections: Sequence[Section] = ()


@dataclass(frozen=True, slots=True)
class Action:
    """Something that can be made to happen. `group` is the heading under which its button stands.

    Without a group it has no button of its own: the buttons of rows refer to it.
    """

    id: str
    label: str
    about: str
    act: Callable[[Values], Awaitable[Done]]
    """Raises PageError where it cannot be done."""
    group: str = ""
    fields: Sequence[Field] = ()

    def as_json(self) -> dict[str, Any]:
        """What the browser has to know."""
        return {
            **{"id": self.id, "label": self.label, "about": self.about, "group": self.group},
            "fields": [asdict(field) for field in self.fields],
        }

    def values(self, given: Any) -> dict[str, Any]:
        """The values of all fields, and what else was given as text.

        Raises PageError for a value that does not fit its field.
        """
        if not isinstance(given, dict):
            raise PageError("The values must be a JSON object.")
        values: dict[str, Any] = {n: v for n, v in given.items() if isinstance(v, str)}
        for field in self.fields:
            values[field.name] = _value(field, given.get(field.name, field.default))
        return values


def _value(field: Field, value: Any) -> str | float | bool:
    if isinstance(field.default, bool):
        fits = isinstance(value, bool)
    elif isinstance(field.default, str):
        fits = isinstance(value, str) and (not field.choices or value in field.choices)
    else:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        fits = number and 0 <= value <= field.maximum
    if not fits:
        raise PageError(f"{field.label}: the value does not fit.")
    fitting: str | float | bool = value
    return fitting
