"""JSON that a server sent, read as far as our own answers can repeat it."""

import json
import re
from collections.abc import Callable
from typing import Any

from cart_core.json_text import read_decimal


def foreign_text(body: bytes) -> str:
    """The text that a server sent, which is "" for bytes that are no text.

    It may be UTF-8, UTF-16 or UTF-32, and may begin with any number of byte order marks. What is
    not valid in its encoding becomes U+FFFD.
    """
    text = body.decode(json.detect_encoding(body), "replace").lstrip("\ufeff")
    return "" if re.search(r"[\x00-\x08\x0e-\x1f]", text) else text


def read_foreign_json(text: str) -> Any:
    r"""The value of a JSON text that a server sent.

    Decimals keep their digits. NaN, Infinity and decimals beyond a double become None, because our
    own answer could not repeat them. Half a surrogate pair in the name of a member becomes its
    escape, such as `\ud800`. Tabs and line breaks within a text are read. Raises ValueError for
    anything that cannot be read.
    """
    decoder = _DECODER_WITH_NAMES if re.search(r"\\u[dD][89a-fA-F]", text) else _DECODER
    try:
        return decoder.decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _with_valid_names(members: list[tuple[str, Any]]) -> dict[str, Any]:
    return {
        name.encode("utf-8", "backslashreplace").decode("utf-8"): value for name, value in members
    }


def _decoder(hook: Callable[[list[tuple[str, Any]]], Any] | None = None) -> json.JSONDecoder:
    return json.JSONDecoder(
        parse_constant=lambda _: None,
        parse_float=read_decimal,
        strict=False,
        object_pairs_hook=hook,
    )


_DECODER, _DECODER_WITH_NAMES = _decoder(), _decoder(_with_valid_names)
