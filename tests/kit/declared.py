"""The functions that the app declares; it tells them once in its life."""

from functools import cache
from typing import Any

import function_app


@cache
def functions() -> list[Any]:
    """All of them, as azure-functions builds them."""
    return list(function_app.app.get_functions())
