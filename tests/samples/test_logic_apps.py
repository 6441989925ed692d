"""The replay of workflows does what Microsoft documents, and refuses what it does not know."""

import copy
from typing import Any

import httpx
import pytest

from tests.samples.logic_apps import (
    BadContent,
    BadExpression,
    LogicApp,
    Run,
    Unsupported,
    check,
    intervals,
)

EVERY_FIVE = {"type": "exponential", "count": 4, "interval": "PT7S"}
BODY = {"id": "o 1", "lines": [{"quantity": 2}], "none": None, "count": 7}


def workflow(**actions: Any) -> dict[str, Any]:
    """A workflow of these actions, one after the other where they say nothing else."""
    trigger = {
        "type": "Request",
        "kind": "Http",
        "operationOptions": "EnableSchemaValidation",
        "correlation": {"clientTrackingId": "@{triggerBody()?['id']}"},
        "inputs": {"method": "POST", "schema": {"type": "object"}},
    }
    return {
        "parameters": {"name": {"type": "string"}},
        "triggers": {"manual": trigger},
        "actions": actions,
    }


def run_of(definition: dict[str, Any], *answers: httpx.Response | None) -> Run:
    """A run against these answers; None is a lost connection."""
    coming = iter(answers)

    def handle(request: httpx.Request) -> httpx.Response:
        answer = next(coming)
        if answer is None:
            raise httpx.ConnectError("refused", request=request)
        return answer

    with httpx.Client(transport=httpx.MockTransport(handle)) as client:
        app = LogicApp(
            definition,
            {"name": "it's"},
            client,
            sleep=lambda seconds: None,
            uniform=lambda least, most: most,
        )
        return app.post(BODY)


def respond(body: Any, after: dict[str, list[str]] | None = None) -> dict[str, Any]:
    """A Response action."""
    return {
        "type": "Response",
        "kind": "Http",
        "operationOptions": "Asynchronous",
        "runAfter": after or {},
        "inputs": {"statusCode": 200, "body": body},
    }


def call(**inputs: Any) -> dict[str, Any]:
    """An HTTP action."""
    policy = {**EVERY_FIVE, "minimumInterval": "PT5S", "maximumInterval": "PT1H"}
    given = {"method": "POST", "uri": "http://function/", "headers": {}, "body": {}}
    return {
        "type": "Http",
        "operationOptions": "DisableAsyncPattern",
        "runAfter": {},
        "inputs": {**given, "retryPolicy": policy, **inputs},
    }


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("text", "text"),
        (3, 3),
        ("@triggerBody()?['count']", 7),
        ("@{triggerBody()?['count']}", "7"),
        ("a @{triggerBody()?['id']}, @{parameters('name')}", "a o 1, it's"),
        ("@{triggerBody()?['none']}", ""),
        ("@triggerBody()?['nobody']?['of']?['that']", None),
        ("@triggerBody().id", "o 1"),
        ("@if(equals(triggerBody()?['count'], 7), 'it''s', false)", "it's"),
        ("@equals(triggerBody()?['count'], '7')", False),
        ("@coalesce(triggerBody()?['none'], null, 'last')", "last"),
        ({"deep": ["@triggerBody()?['id']"]}, {"deep": ["o 1"]}),
    ],
    ids=str,
)
def test_expressions(template: Any, value: Any) -> None:
    answer = run_of(workflow(Answer=respond(template))).answer

    assert answer
    assert answer.body == value


@pytest.mark.parametrize(
    ("template", "error"),
    [
        ("@triggerBody()['nobody']", BadExpression),
        ("@triggerBody()?['id']?['of']", BadExpression),
        ("@triggerBody()['none']['of']", BadExpression),
        ("@triggerBody()?['id'", BadExpression),
        ("@triggerBody() x", BadExpression),
        ('@parameters("name")', BadExpression),
        ("@concat('a', 'b')", Unsupported),
        ("@if('true', 1, 2)", Unsupported),
        ("@@escaped", Unsupported),
    ],
)
def test_expressions_that_fail(template: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        run_of(workflow(Answer=respond(template)))


@pytest.mark.parametrize("change", [{"type": "Until"}, {"kind": "Other"}, {"limit": {}}], ids=str)
def test_what_is_not_known_is_not_passed_over(change: dict[str, Any]) -> None:
    with pytest.raises(Unsupported):
        run_of(workflow(Answer={**respond("x"), **change}))


def test_the_documented_intervals() -> None:
    """The table of the exponential interval retry policy, with the default policy's numbers."""
    policy = {**EVERY_FIVE, "minimumInterval": "PT5S", "maximumInterval": "PT45S"}

    assert intervals(policy) == [(5, 7), (7, 14), (14, 28), (28, 45)]
    with pytest.raises(BadContent):
        intervals({**policy, "minimumInterval": "PT1S"})


@pytest.mark.parametrize("status", [None, 408, 429, 500, 503, 599])
def test_what_is_retried(status: int | None) -> None:
    failure = httpx.Response(status) if status else None

    run = run_of(workflow(Call=call()), *[failure] * 4, httpx.Response(201))
    assert run.waits == [7, 14, 28, 56]
    assert run.status == "Succeeded"

    run = run_of(workflow(Call=call()), *[failure] * 5)
    assert run.history["Call"].status == run.status == "Failed"


@pytest.mark.parametrize("status", [400, 401, 404, 409, 422])
def test_what_is_final(status: int) -> None:
    run = run_of(workflow(Call=call()), httpx.Response(status))

    assert run.waits == []
    assert run.history["Call"].status == "Failed"


def test_retry_after_is_honoured() -> None:
    again = httpx.Response(429, headers={"Retry-After": "50"})

    assert run_of(workflow(Call=call()), again, httpx.Response(200)).waits == [50]


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (httpx.Response(200, json={"a": 1}), {"a": 1}),
        (httpx.Response(200, text="a"), "a"),
        (httpx.Response(200), None),
        (
            httpx.Response(
                200, headers={"Content-Type": "application/problem+json"}, content=b"{}"
            ),
            {"$content-type": "application/problem+json", "$content": "(base64)"},
        ),
    ],
    ids=["json", "text", "nothing", "another"],
)
def test_content(answer: httpx.Response, body: Any) -> None:
    run = run_of(workflow(Call=call()), answer)

    assert run.history["Call"].outputs["body"] == body


def test_headers_that_logic_apps_would_leave_out() -> None:
    with pytest.raises(BadContent, match="Accept-Language"):
        run_of(workflow(Call=call(headers={"Accept-Language": "en"})))


def test_run_after() -> None:
    definition = workflow(
        Call=call(),
        Well=respond("well", {"Call": ["Succeeded"]}),
        Ill=respond("ill", {"Call": ["Failed", "TimedOut"]}),
    )

    run = run_of(copy.deepcopy(definition), httpx.Response(404))
    assert run.answer
    assert run.answer.body == "ill"
    assert run.history["Well"].status == "Skipped"

    run = run_of(definition, httpx.Response(200))
    assert run.answer
    assert run.answer.body == "well"


def test_switch_and_terminate() -> None:
    ended = {"runStatus": "Failed", "runError": {"code": "c", "message": "m"}}
    definition = workflow(
        Switch={
            "type": "Switch",
            "runAfter": {},
            "expression": "@triggerBody()?['count']",
            "cases": {
                "Text": {"case": "7", "actions": {"Wrong": respond("text")}},
                "Number": {
                    "case": 7,
                    "actions": {"End": {"type": "Terminate", "runAfter": {}, "inputs": ended}},
                },
            },
            "default": {"actions": {"Other": respond("default")}},
        },
        Never=respond("never", {"Switch": ["Succeeded"]}),
    )

    run = run_of(definition)

    assert (run.status, run.error_code, run.error_message) == ("Failed", "c", "m")
    assert run.answer is None


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        (1, {"type": "string"}),
        (True, {"type": "integer"}),
        (None, {"type": ["string", "integer"]}),
        ({}, {"type": "object", "required": ["a"]}),
        ({"a": 0}, {"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}}),
        ([], {"type": "array", "minItems": 1}),
        (["a"], {"type": "array", "items": {"type": "string", "pattern": "^b$"}}),
    ],
)
def test_schemas(value: Any, schema: dict[str, Any]) -> None:
    with pytest.raises(BadContent):
        check(value, schema)


def test_a_schema_that_is_not_known() -> None:
    with pytest.raises(Unsupported):
        check({}, {"type": "object", "additionalProperties": False})
