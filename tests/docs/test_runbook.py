"""docs/runbook.md knows every alert, every code that an operator meets, and what the log says."""

import inspect
import re
import subprocess
from pathlib import Path
from typing import get_args

import pytest

from cart_core import telemetry
from cart_core.adapters import entra
from cart_core.api import invocation
from cart_core.idempotency.operation_id import PURCHASES, OperationId
from cart_core.idempotency.record import Record
from cart_core.problem import CATALOGUE, Outcome
from tests.docs.tables import names, table

ROOT = Path(__file__).parents[2]
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text("utf-8")
SOURCES = "".join(path.read_text("utf-8") for path in (ROOT / "cart_core").rglob("*.py"))


def column(header: str) -> list[str]:
    """The first cells of the table whose header starts with this column."""
    return [row[0] for row in table(RUNBOOK, header)]


def quoted(cells: list[str]) -> list[str]:
    return [name for cell in cells for name in names(cell)]


def blocks(start: str) -> list[str]:
    return [block for block in re.findall(r"```\n(.*?)```", RUNBOOK, re.DOTALL) if start in block]


def test_every_code_that_is_not_the_callers_own_fault_is_there() -> None:
    by_settings = {"checkout_disabled", "purchase_limit_exceeded", "possible_duplicate"}
    callers = {
        code
        for code, kind in CATALOGUE.items()
        if kind.status < 500 and kind.outcome is Outcome.NOT_SENT and code not in by_settings
    }

    codes = quoted(column("code"))
    assert sorted(codes) == sorted(set(CATALOGUE) - callers)
    assert len(callers) == 19


def test_every_alert_is_there() -> None:
    alerts = (ROOT / "infra" / "modules" / "alerts.bicep").read_text("utf-8")
    declared = re.findall(r"^  name: '\$\{prefix\}(-[\w-]+)'$", alerts, re.MULTILINE)

    assert len(declared) == 13
    told = [cell.partition("`…")[2].partition("`")[0] for cell in column("alert")]
    assert sorted(told) == sorted(declared)


def test_every_number_that_the_app_explains_is_there() -> None:
    told = {int(number) for cell in column("number") for number in re.findall(r"\d+", cell)}

    assert {*entra._PASSING, *entra._USER, *entra._ADVICE} <= told


def test_every_metric_is_there_and_no_other() -> None:
    found = re.findall(
        r'"((?:carts|operations|partner_center|purchases|storefronts|webhooks)\.\w+)"',
        inspect.getsource(telemetry),
    )

    assert sorted(quoted(column("metric"))) == sorted(set(found))


def test_what_the_log_is_searched_for_is_what_it_says() -> None:
    for line in quoted(column("line")):
        assert f'"{line.partition(" …")[0]}'.rstrip(",") in SOURCES
    for text in ("refresh token rotation failed: ", "refresh token rotated", "refresh token age "):
        assert f'"{text}' in SOURCES
    for text in ("refresh token rotation failed: ", "refresh token rotated"):
        assert text in RUNBOOK


def test_the_line_of_a_request_is_parsed_whole() -> None:
    fields = re.findall(r'^        "(\w+)": ', inspect.getsource(invocation._log), re.MULTILINE)
    (query,) = blocks("CORRELATION-ID")
    (counts,) = blocks("P95")

    assert re.findall(r"(\w+): (?:string|int|long|bool)", query) == fields
    assert set(re.findall(r"(\w+): (?:string|int|long|bool)", counts)) <= set(fields)


@pytest.mark.parametrize("operation", ["create_cart", *sorted(PURCHASES)])
@pytest.mark.parametrize("key", ["order-1001", "a'b\"c\\d", "x" * 255, "!~"])
def test_the_line_that_names_a_record_is_right(operation: str, key: str) -> None:
    customer = "D6BF25B7-E0A8-4F2D-A31B-97B55CFC774D"
    (block,) = blocks("hashlib")
    script = block.partition("name=$(")[2].partition(" OPERATION CUSTOMER-TENANT-ID KEY)")[0]

    told = subprocess.run(
        ["/bin/sh", "-c", f'{script} "$1" "$2" "$3"', "sh", operation, customer, key],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )

    name = OperationId(operation, customer.lower(), key).record_name()
    assert told.stdout == f"{name}\n"


def test_every_state_of_a_record_is_there() -> None:
    states = get_args(Record.model_fields["state"].annotation)

    assert sorted(quoted([c for c in column("`state`") if c != "no such blob"])) == sorted(states)


def test_every_end_of_a_purchase_that_takes_a_person_is_there() -> None:
    (told,) = re.findall(r"\n## A purchase\n(.*?)\n## ", RUNBOOK, re.DOTALL)
    rows = told.partition("| answer to a checkout or order |")[2].partition("\n\n")[0]

    for ending in ("cart_not_orderable", "checkout_failed", "checkout_disabled"):
        assert ending in CATALOGUE
        assert f" `{ending}` |" in rows
    for status, warning in (("partial", None), ("ordered", "orders_not_retrieved")):
        assert f"| 201 `{status}`" in rows
        assert f'"{status}"' in SOURCES
        assert warning is None or (f"`{warning}`" in rows and f'"{warning}"' in SOURCES)
