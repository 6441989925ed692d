"""Microsoft's own parser finds nothing wrong with any query: alerts, workbook and runbook.

It is @kusto/language-service-next, from npm, and runs on Node.js. kusto/tables.json has the columns
that Microsoft documents for the tables ("Azure Monitor Logs reference").
"""

import json
import re
import subprocess
from pathlib import Path

import pytest
from partner_center_emulator.services.azurite import find_node, install

from tests.infra.compiler import INFRA
from tests.infra.conftest import Predict

HERE = Path(__file__).parent / "kusto"
TABLES: dict[str, dict[str, str]] = json.loads((HERE / "tables.json").read_text())
SCHEMAS = {
    name: f"({', '.join(f'{column}: {type_}' for column, type_ in columns.items())})"
    for name, columns in TABLES.items()
}
RUNBOOK = (INFRA.parent / "docs" / "runbook.md").read_text("utf-8")
TELEMETRY = (INFRA.parent / "cart_core" / "telemetry.py").read_text("utf-8")
WORKBOOK = json.loads((INFRA / "workbook.json").read_text("utf-8"))


PLANTED = {
    "AppTraces | where Mesage == 'a'": "Mesage",
    "AppTrace | count": "AppTrace",
    "AppRequests | summarise count()": "Query operator expected",
    "AppRequests | where DurationMs has 500": "type",
    "AppDependencies | where PerformanceBucket == '<1s'": "PerformanceBucket",
}
"""Wrong queries, with a word that the parser says of each."""


def panels() -> dict[str, str]:
    """The queries of the workbook, by the titles of its panels."""
    shown = [item["content"] for item in WORKBOOK["items"] if item["type"] == 3]
    found = {each["title"]: each["query"] for each in shown}
    assert len(found) == len(shown)
    return found


def of_the_runbook() -> list[str]:
    return re.findall(r"```\n((?:App|union ).*?)```", RUNBOOK, re.DOTALL)


@pytest.fixture(scope="module")
def of_the_alerts(predict: Predict) -> list[str]:
    return list(predict(PARTNER_CENTER_AUTH="app_user").queries().values())


@pytest.fixture(scope="module")
def said_of(of_the_alerts: list[str]) -> dict[str, list[str]]:
    """What the parser says of each query. It is started once for all of them."""
    node = find_node()
    install(node, HERE)
    queries = [*of_the_alerts, *panels().values(), *of_the_runbook(), *PLANTED]
    done = subprocess.run(
        [node.executable, HERE / "check.cjs"],
        input=json.dumps({"tables": SCHEMAS, "queries": {each: each for each in queries}}),
        capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    said: dict[str, list[str]] = json.loads(done.stdout)
    return said


def test_the_queries_of_the_alerts_are_clean(
    of_the_alerts: list[str], said_of: dict[str, list[str]]
) -> None:
    assert len(of_the_alerts) >= 6
    assert {each: said_of[each] for each in of_the_alerts if said_of[each]} == {}


def test_the_queries_of_the_workbook_are_clean_and_name_no_subscription(
    said_of: dict[str, list[str]],
) -> None:
    queries = panels()

    assert len(queries) >= 15
    assert {title: said_of[each] for title, each in queries.items() if said_of[each]} == {}
    assert "/subscriptions/" not in json.dumps(WORKBOOK)


def test_the_queries_of_the_runbook_are_clean(said_of: dict[str, list[str]]) -> None:
    assert len(of_the_runbook()) >= 4
    assert {each: said_of[each] for each in of_the_runbook() if said_of[each]} == {}


def test_every_metric_that_a_panel_shows_is_one_of_the_app() -> None:
    shown = set(re.findall(r'"([a-z_]+\.[a-z_]+)"', " ".join(panels().values())))
    ours = set(re.findall(r'"([a-z_]+\.[a-z_]+)"', TELEMETRY))

    assert len(shown) >= 10
    assert shown <= ours
    families = {each.partition(".")[0] for each in ours}
    assert {each.partition(".")[0] for each in shown} == families, "a kind without a panel"


def test_every_line_that_a_panel_reads_is_one_of_the_app() -> None:
    starts = set(re.findall(r'startswith "([^"]+)"', " ".join(panels().values())))
    code = "".join(path.read_text("utf-8") for path in (INFRA.parent / "cart_core").rglob("*.py"))

    assert len(starts) >= 4
    # The line of a request is put together from names and values.
    assert [each for each in starts - {"operation="} if f'"{each}' not in code] == []
    assert '"operation": name' in code


@pytest.mark.parametrize("query", PLANTED)
def test_what_is_wrong_in_a_query_is_found(query: str, said_of: dict[str, list[str]]) -> None:
    assert PLANTED[query] in " ".join(said_of[query])
