"""Writes the generated files: cart_core/api/openapi.json, the connector, and requests to send.

`make describe` runs it.
"""

import json
from pathlib import Path

from connector.swagger import to_swagger
from description.document import describe
from description.requests import to_http_file, to_postman

ROOT = Path(__file__).resolve().parent.parent


def generated_files() -> dict[str, str]:
    """The text of each generated file, by its path under ROOT."""
    openapi = describe()
    return {
        "cart_core/api/openapi.json": json.dumps(openapi, indent=2, ensure_ascii=False) + "\n",
        # Microsoft's coding standards for connectors ask for four spaces. The file is ASCII,
        # because paconn reads it in the machine's own encoding.
        "connector/apiDefinition.swagger.json": json.dumps(to_swagger(openapi), indent=4) + "\n",
        "samples/requests.http": to_http_file(openapi),
        "samples/postman_collection.json": json.dumps(to_postman(openapi), indent=2) + "\n",
    }


if __name__ == "__main__":
    for name, text in generated_files().items():
        (ROOT / name).write_text(text, "utf-8")
