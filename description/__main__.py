"""Writes cart_core/api/openapi.json and the connector's definition; `make describe` runs it."""

import json
from pathlib import Path

from connector.swagger import to_swagger
from description.document import describe

ROOT = Path(__file__).resolve().parent.parent


def described() -> dict[str, str]:
    """What is generated from the code: file name under ROOT -> its text."""
    openapi = describe()
    return {
        "cart_core/api/openapi.json": json.dumps(openapi, indent=2, ensure_ascii=False) + "\n",
        # Four spaces, as in Microsoft's coding standards for connectors. ASCII: paconn reads the
        # file in the encoding of the machine.
        "connector/apiDefinition.swagger.json": json.dumps(to_swagger(openapi), indent=4) + "\n",
    }


if __name__ == "__main__":
    for name, text in described().items():
        (ROOT / name).write_text(text, "utf-8")
