"""The replay of workflows does what Microsoft documents, and refuses what it does not support."""

from typing import Any

import httpx
import pytest

from tests.samples.logic_apps import (
    BY_HTTP,
    BadContent,
    BadExpression,
    LogicApp,
    Run,
    Unsupported,
    intervals,
)

POLICY = {
    "type": "exponential",
    "count": 4,
    "interval": "PT7S",
    "minimumInterval": "PT5S",
    "maximumInterval": "PT1H",
}
BODY = {"id": "o 1", "lines": [{"quantity": 2}], "none": None, "count": 7}


def run_of(action: dict[str, Any], *answers: httpx.Response | None) -> Run:
    """A run of a workflow of one action, against these answers; None is a lost connection."""
    coming = iter(answers)

    def handle(request: httpx.Request) -> httpx.Response:
        answer = next(coming)
        if answer is None:
            raise httpx.ConnectError("refused", request=request)
        return answer

    definition = {
        "parameters": {"name": {"type": "string"}},
        "triggers": {"manual": BY_HTTP},
        "actions": {"Action": action},
    }
    with httpx.Client(transport=httpx.MockTransport(handle)) as client:
        app = LogicApp(
            definition,
            {"name": "it's"},
            client,
            sleep=lambda seconds: None,
            uniform=lambda least, most: most,
        )
        return app.post(BODY)


def respond(body: Any) -> dict[str, Any]:
    """A Response action."""
    return {
        "type": "Response",
        "kind": "Http",
        "operationOptions": "Asynchronous",
        "runAfter": {},
        "inputs": {"statusCode": 200, "body": body},
    }


def call(**headers: str) -> dict[str, Any]:
    """An HTTP action."""
    inputs = {"method": "POST", "uri": "http://function/", "headers": headers, "body": {}}
    return {
        "type": "Http",
        "operationOptions": "DisableAsyncPattern",
        "runAfter": {},
        "inputs": {**inputs, "retryPolicy": POLICY},
    }


def polling(**members: Any) -> dict[str, Any]:
    """An HTTP action that follows the asynchronous pattern."""
    action = {name: each for name, each in call().items() if name != "operationOptions"}
    return {**action, **members}


def accepted(location: str = "http://function/result", **headers: str) -> httpx.Response:
    """A 202 that says where to ask, and when."""
    return httpx.Response(202, headers={"Location": location, **headers})


@pytest.mark.parametrize(
    ("template", "value"),
    [
        (3, 3),
        ("@{triggerBody()?['count']}", "7"),
        ("a @{triggerBody()?['id']}, @{parameters('name')}", "a o 1, it's"),
        ("@{triggerBody()?['none']}", ""),
        ("@triggerBody()?['nobody']?['of']?['that']", None),
        ("@if(equals(triggerBody()?['count'], 7), 'it''s', false)", "it's"),
        ("@equals(triggerBody()?['count'], '7')", False),
        ("@coalesce(triggerBody()?['none'], null, 'last')", "last"),
        ("@not(and(equals(triggerBody()?['none'], null), true))", False),
        ("@json('{\"a\": 1}')", {"a": 1}),
        ({"deep": ["@triggerBody()?['id']"]}, {"deep": ["o 1"]}),
        ("@triggerBody()['nobody']", BadExpression),
        ("@triggerBody()?['id']?['of']", BadExpression),
        ("@triggerBody() x", BadExpression),
        ('@parameters("name")', BadExpression),
        ("@concat('a', 'b')", Unsupported),
        ("@if('true', 1, 2)", Unsupported),
        ("@@escaped", Unsupported),
    ],
    ids=str,
)
def test_expressions(template: Any, value: Any) -> None:
    if isinstance(value, type):
        with pytest.raises(value):
            run_of(respond(template))
        return
    answer = run_of(respond(template)).answer

    assert answer
    assert answer.body == value


@pytest.mark.parametrize("change", [{"type": "Foreach"}, {"kind": "Other"}, {"limit": {}}], ids=str)
def test_what_is_not_supported_is_not_skipped(change: dict[str, Any]) -> None:
    with pytest.raises(Unsupported):
        run_of({**respond("x"), **change})
    with pytest.raises(BadContent, match="Accept-Language"):
        run_of(call(**{"Accept-Language": "en"}))  # Logic Apps would leave this header out


def test_the_documented_intervals() -> None:
    """The table of the exponential interval retry policy, with the default policy's numbers."""
    policy = {**POLICY, "maximumInterval": "PT45S"}

    assert intervals(policy) == [(5, 7), (7, 14), (14, 28), (28, 45)]
    with pytest.raises(BadContent):
        intervals({**policy, "minimumInterval": "PT1S"})


@pytest.mark.parametrize("status", [None, 408, 429, 500, 599])
def test_what_is_retried(status: int | None) -> None:
    failure = httpx.Response(status) if status else None

    run = run_of(call(), *[failure] * 4, httpx.Response(201))
    assert run.waits == [7, 14, 28, 56]
    assert run.status == "Succeeded"

    run = run_of(call(), *[failure] * 5)
    assert run.history["Action"].status == run.status == "Failed"


def test_what_is_final_and_that_retry_after_is_honoured() -> None:
    run = run_of(call(), httpx.Response(429, headers={"Retry-After": "50"}), httpx.Response(422))

    assert run.waits == [50]
    assert run.history["Action"].status == "Failed"


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
    assert run_of(call(), answer).history["Action"].outputs["body"] == body


def test_the_asynchronous_pattern_asks_until_there_is_another_answer_than_202() -> None:
    later = accepted(**{"Retry-After": "5"})

    run = run_of(polling(), accepted(), later, later, httpx.Response(201, json={"a": 1}))

    assert run.polls == [20, 5, 5]
    assert run.history["Action"].outputs["statusCode"] == 201
    # Without the pattern, the 202 is the answer.
    assert run_of(call(), accepted()).history["Action"].outputs["statusCode"] == 202


@pytest.mark.parametrize("location", ["", "/result"])
def test_an_address_that_is_not_absolute_is_no_place_to_ask(location: str) -> None:
    with pytest.raises(BadContent, match="absolute"):
        run_of(polling(), accepted(), accepted(location))


def test_an_error_of_a_poll_begins_the_whole_try_anew_and_a_redirect_is_final() -> None:
    run = run_of(polling(), accepted(), httpx.Response(503), accepted(), httpx.Response(302))

    assert (run.polls, run.waits) == ([20, 20], [7])
    assert run.history["Action"].status == "Failed"


def test_an_action_that_polls_ends_at_its_limit() -> None:
    run = run_of(polling(limit={"timeout": "PT50S"}), *[accepted()] * 3)

    assert run.polls == [20, 20]
    assert run.history["Action"].status == "TimedOut"
