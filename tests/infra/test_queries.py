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

from tests.infra.bicep import INFRA
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


def diagnostics(queries: dict[str, str]) -> dict[str, list[str]]:
    """What the parser says of each query."""
    node = find_node()
    install(node, HERE)
    done = subprocess.run(
        [node.executable, HERE / "check.cjs"],
        input=json.dumps({"tables": SCHEMAS, "queries": queries}),
        capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    said: dict[str, list[str]] = json.loads(done.stdout)
    return said


def panels() -> dict[str, str]:
    """The queries of the workbook, by the titles of its panels."""
    shown = [item["content"] for item in WORKBOOK["items"] if item["type"] == 3]
    found = {each["title"]: each["query"] for each in shown}
    assert len(found) == len(shown)
    return found


def test_the_queries_of_the_alerts_are_clean(predict: Predict) -> None:
    alerts = predict(PARTNER_CENTER_AUTH="app_user").of("Microsoft.Insights/scheduledQueryRules")
    queries = {each["name"]: each["properties"]["criteria"]["allOf"][0]["query"] for each in alerts}

    assert len(queries) >= 6
    assert diagnostics(queries) == {name: [] for name in queries}


def test_the_queries_of_the_workbook_are_clean_and_name_no_subscription() -> None:
    queries = panels()

    assert len(queries) >= 15
    assert diagnostics(queries) == {name: [] for name in queries}
    assert "/subscriptions/" not in json.dumps(WORKBOOK)


def test_the_queries_of_the_runbook_are_clean() -> None:
    blocks = re.findall(r"```\n((?:App|union ).*?)```", RUNBOOK, re.DOTALL)

    assert len(blocks) >= 4
    queries = {str(number): block for number, block in enumerate(blocks)}
    assert diagnostics(queries) == {name: [] for name in queries}


def test_every_metric_that_a_panel_shows_is_one_of_the_app() -> None:
    shown = set(re.findall(r'"([a-z_]+\.[a-z_]+)"', " ".join(panels().values())))
    ours = set(re.findall(r'"([a-z_]+\.[a-z_]+)"', TELEMETRY))

    assert len(shown) >= 10
    assert shown <= ours


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("AppTraces | where Mesage == 'a'", "Mesage"),
        ("AppTrace | count", "AppTrace"),
        ("AppRequests | summarise count()", "Query operator expected"),
        ("AppRequests | where DurationMs has 500", "type"),
        ("AppDependencies | where PerformanceBucket == '<1s'", "PerformanceBucket"),
    ],
)
def test_what_is_wrong_in_a_query_is_found(query: str, said: str) -> None:
    (found,) = diagnostics({"planted": query}).values()

    assert found
    assert said in " ".join(found)
