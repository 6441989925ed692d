"""Asks a deployed app what is still missing, and prints it as a list: `make ready`.

It reads the variables URL (the app's address) and KEY (one of its keys), or TOKEN (a token of
Microsoft Entra ID) where callers sign in. A variable is not seen by others on the same machine, as
an argument would be.
"""

import json
import os
import sys
import textwrap
from collections.abc import Mapping
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

SECONDS: Final = 230
"""The platform ends every request after so long."""

_MARKS: Final = {"ok": "ok", "failed": "FAILED", "not_reached": "-"}


def main(environment: Mapping[str, str]) -> int:
    """Prints the list. 0 where nothing is missing, 1 where something is, 2 without an answer."""
    url, key, token = (environment.get(name, "") for name in ("URL", "KEY", "TOKEN"))
    if not url.startswith(("https://", "http://127.0.0.1:", "http://localhost:")) or not (
        key or token
    ):
        print("Usage: make ready URL=https://HOST KEY=... (or TOKEN=...)", file=sys.stderr)
        return 2
    headers = {"Authorization": f"Bearer {token}"} if token else {"x-functions-key": key}
    try:
        status, body = _ask(f"{url.rstrip('/')}/api/ready", headers)
    except (URLError, TimeoutError, OSError) as error:
        print(f"There is no answer from {url}: {getattr(error, 'reason', error)}", file=sys.stderr)
        return 2
    try:
        answer: Any = json.loads(body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or "links" not in answer:
        print(_unlike(status, answer), file=sys.stderr)
        return 2
    print(listed(answer))
    return 0 if status == 200 else 1


def listed(answer: Mapping[str, Any]) -> str:
    """The answer as lines for people: one for each link, and under it what to do."""
    lines = []
    for link in answer["links"]:
        milliseconds = link["milliseconds"]
        took = "" if milliseconds is None else f"{milliseconds} ms"
        mark = _MARKS.get(link["status"], link["status"])
        lines.append(f"{mark:<7} {link['name']:<18} {took:>9}".rstrip())
        if link["code"]:
            told = f"{link['code']}: {link['detail']}"
            lines += textwrap.wrap(told, 96, initial_indent=" " * 8, subsequent_indent=" " * 8)
    missing = [link["name"] for link in answer["links"] if link["status"] == "failed"]
    verdict = f"Still missing: {', '.join(missing)}." if missing else "Nothing is missing."
    return "\n".join([*lines, "", f"Version {answer['version']}. {verdict}"])


def _ask(url: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
    try:
        with urlopen(Request(url, headers=dict(headers)), timeout=SECONDS) as response:  # noqa: S310
            return response.status, response.read()
    except HTTPError as answer:
        return answer.code, answer.read()


def _unlike(status: int, answer: Any) -> str:
    """What an answer means that is no list of links."""
    if isinstance(answer, dict) and "code" in answer:
        return f"HTTP {status}, {answer['code']}: {answer.get('detail')}"
    reasons = {
        401: "the key or the token is wrong",
        404: "the app does not run yet, or is an older version without this route",
    }
    return f"HTTP {status}: {reasons.get(status, 'the platform answers instead of the app')}."


if __name__ == "__main__":
    sys.exit(main(os.environ))
