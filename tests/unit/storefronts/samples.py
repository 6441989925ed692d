"""The sample bodies and the sample file of sources."""

import json
from pathlib import Path
from typing import Any

from cart_core.storefronts.json_body import read_body
from cart_core.storefronts.sources import Source, read_sources

FOLDER = Path(__file__).resolve().parents[3] / "samples" / "storefronts"


def sample(name: str, **changes: Any) -> dict[str, Any]:
    """A sample body with members changed, read as a delivery is."""
    body = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    return read_body(json.dumps(body | changes).encode())


def sample_list(name: str) -> list[dict[str, Any]]:
    return list(read_body(b'{"list": ' + (FOLDER / f"{name}.json").read_bytes() + b"}")["list"])


def sample_sources() -> dict[str, Source]:
    return read_sources((FOLDER / "storefronts.sample.toml").read_text("utf-8"))
