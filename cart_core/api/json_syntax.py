"""What is wrong with a text that is not JSON: the place, the slip, and what to write instead.

Bodies are often pasted from a page or written by hand. Python's own messages say what it expected,
which helps nobody to see a typographic quote.
"""

import json
import re
from typing import Final

_STRING = r'"[^"\\]*(?:\\.[^"\\]*)*"'
_CONSTANT: Final = re.compile(rf"{_STRING}|(-?Infinity|NaN)", re.DOTALL)
_LONG_NUMBER: Final = re.compile(rf"{_STRING}|([0-9]{{4301,}})", re.DOTALL)
_WORD: Final = re.compile(r"True|False|None|undefined|nil|NULL|TRUE|FALSE")
_NAME: Final = re.compile(r"[^\W\d]")
_BLANKS: Final = frozenset(" \t\r\n")
_INSIDE_TEXTS: Final = ("Invalid control character at", "Unterminated string starting at")

_QUOTES: Final = (
    "`\u00ab\u00b4\u00bb\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u2032\u2033\uff02"
)
_JSON_WORDS: Final = {
    **dict.fromkeys(("True", "TRUE"), "true"),
    **dict.fromkeys(("False", "FALSE"), "false"),
    **dict.fromkeys(("None", "undefined", "nil", "NULL"), "null"),
}


def syntax_detail(text: str, error: json.JSONDecodeError) -> str:
    """What is wrong where Python stopped to read `text`, in a sentence with the place."""
    position = error.pos
    while error.msg not in _INSIDE_TEXTS and text[position : position + 1] in _BLANKS:
        position += 1
    return f"The body is not JSON: {_slip(text, position, error.msg)} at {_place(text, position)}."


def _slip(text: str, position: int, message: str) -> str:
    """The kind of slip that begins at `position`; Python's `message` if it is none of these."""
    if position == len(text):
        return "it ends too early,"
    character = text[position]
    if message in _INSIDE_TEXTS:
        return "a text has a line break or another control character in it, or no closing quote,"
    if message.startswith("Invalid \\"):
        return "there is a backslash that begins no escape of JSON (write \\\\ for one backslash)"
    if character in _QUOTES:
        return 'there is a typographic quote (write the straight quote ")'
    if character == "'":
        return 'there is a single quote (write the double quote ")'
    if character == "#" or text.startswith(("//", "/*"), position):
        return "there is a comment (JSON has none)"
    after_comma = character in "}]" and text[:position].rstrip(" \t\r\n").endswith(",")
    if after_comma or message.startswith("Illegal trailing comma"):  # the message since Python 3.13
        return "there is a comma after the last member or item (leave it out)"
    if word := _WORD.match(text, position):
        return f"there is {word[0]} (write {_JSON_WORDS[word[0]]})"
    if character.isspace() or not character.isprintable():
        return f"there is the character U+{ord(character):04X} (write a blank)"
    if message.startswith("Expecting property name") and _NAME.match(character):
        return 'there is a member name without quotes (write it in double quotes ")'
    return message


def constant_detail(text: str) -> str:
    """Where the first NaN or Infinity is in a text of which all before it is JSON."""
    found, where = _first(_CONSTANT, text)
    return f"The body is not JSON: there is {found} (leave the member out or send null) at {where}."


def long_number_detail(text: str) -> str:
    """Where the first number is that has more digits than Python converts."""
    _, where = _first(_LONG_NUMBER, text)
    return f"The number at {where} has too many digits."


def _first(pattern: re.Pattern[str], text: str) -> tuple[str, str]:
    """What the group of `pattern` finds first outside of strings, and its place."""
    found = next(found for found in pattern.finditer(text) if found[1])
    return found[1], _place(text, found.start())


def _place(text: str, position: int) -> str:
    """A position as people count: `line 1, column 1` is the first character."""
    line = text.count("\n", 0, position) + 1
    return f"line {line}, column {position - text.rfind(chr(10), 0, position)}"
