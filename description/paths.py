"""The operations as OpenAPI writes them: the `paths` of the document, and the error examples."""

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

from cart_core.problem import CATALOGUE, Code, Outcome
from description import examples
from description.operations import Operation, RequestBody
from description.schemas import AcceptedAnswer, Json, ProblemAnswer, reference
from description.words import CODE_DESCRIPTIONS, STATUS_DESCRIPTIONS


def paths(operations: Iterable[Operation]) -> Json:
    """The Path Items, by path."""
    items: Json = {}
    for operation in operations:
        items.setdefault(operation.path, {})[operation.method] = _operation(operation)
    return items


def problem_examples(operations: Iterable[Operation]) -> Json:
    """An example for each error that an operation may answer, by the name that `paths` uses."""
    return {
        _example_name(operation, code): {
            "summary": CATALOGUE[code].title,
            "description": CODE_DESCRIPTIONS[code],
            "value": examples.problem_answer(code, _outcome(operation, code)),
        }
        for operation in operations
        for code in operation.error_codes
    }


def _operation(operation: Operation) -> Json:
    written: Json = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description,
        "parameters": [
            {"$ref": f"#/components/parameters/{name}"} for name in operation.parameters
        ],
    }
    if operation.body:
        written["requestBody"] = _request_body(operation.body)
    written["responses"] = {
        str(status): {
            "description": text,
            "headers": _headers(["MS-CorrelationId"]),
        }
        for status, text in operation.bodiless.items()
    } or {
        str(operation.status): _success(operation),
        **({"201": _results(operation)} if operation.result_schemas else {}),
        **({"202": _accepted(operation)} if operation.asynchronous else {}),
        **_errors(operation),
    }
    if operation.anonymous:
        written["security"] = []
    if operation.for_operators:
        written["security"] = [{"hostKey": []}]
    return written


def _request_body(body: RequestBody) -> Json:
    return {
        "description": body.description,
        "required": body.required,
        "content": {
            "application/json": {"schema": body.schema, "examples": _examples(body.examples)}
        },
    }


def _success(operation: Operation) -> Json:
    response: Json = {
        "description": operation.response_description,
        "headers": _headers([*operation.response_headers, *_usual_headers(operation)]),
        "content": {
            "application/json": {
                "schema": operation.response_schema,
                "examples": _examples(operation.response_examples),
            }
        },
    }
    if operation.cart_id_pointer:
        cart = {
            "customerId": "$request.path.customerId",
            "cartId": f"$response.body#{operation.cart_id_pointer}",
        }
        response["links"] = {
            name: {
                "operationId": name,
                "parameters": cart,
                "description": "Uses the cart of this answer.",
            }
            for name in ("GetCart", "UpdateCart", "CheckOutCart")
        }
    return response


def _results(operation: Operation) -> Json:
    """The success responses of the requests whose results an operation gives."""
    shown = {**examples.cart_answers(), **examples.checkout_answers()}
    return {
        "description": "The cart or the orders that were made.",
        "headers": _headers(["MS-CorrelationId", "MS-RequestId", "MS-CV", "MS-ServerId"]),
        "content": {
            "application/json": {
                "schema": {"anyOf": list(operation.result_schemas)},
                "examples": _examples(shown),
            }
        },
    }


def _accepted(operation: Operation) -> Json:
    """The response where the caller prefers not to wait."""
    headers = ("Location", "Operation-Location", "Retry-After", "Preference-Applied")
    return {
        "description": "The request was accepted, as the caller preferred. It will be carried out "
        "whatever happens; Location has the result once there is one, and Operation-Location the "
        "status.",
        "headers": _headers([*headers, "MS-CorrelationId"]),
        "content": {
            "application/json": {
                "schema": reference(AcceptedAnswer),
                "examples": _examples({"not_started": examples.accepted_answers()["not_started"]}),
            }
        },
    }


def _errors(operation: Operation) -> Json:
    """The error responses by status; one status may stand for several codes."""

    def status(code: Code) -> int:
        return CATALOGUE[code].status

    codes = sorted(operation.error_codes, key=status)
    return {
        str(number): _error(operation, number, list(same_status))
        for number, same_status in groupby(codes, status)
    }


def _error(operation: Operation, status: int, codes: list[Code]) -> Json:
    headers = _usual_headers(operation)
    if operation.may_ask_to_come_back and any(CATALOGUE[code].retryable for code in codes):
        headers.append("Retry-After")
    problem = reference(ProblemAnswer)
    if status == 401:  # Mostly it is the platform's, which has no body and none of our headers.
        return {"description": f"{STATUS_DESCRIPTIONS[status]}\n\n{_table(operation, codes)}"}
    shown: Json = {
        code: {"$ref": f"#/components/examples/{_example_name(operation, code)}"} for code in codes
    }
    described, schema = STATUS_DESCRIPTIONS[status], problem
    if status == 503 and operation.unready_examples:
        described = "A link of the chain is not there. Without links it is an error."
        schema = {"anyOf": [operation.response_schema, problem]}
        shown |= _examples(operation.unready_examples)
    return {
        "description": f"{described}\n\n{_table(operation, codes)}",
        "headers": _headers(headers),
        "content": {
            "application/json": {"schema": schema, "examples": shown},
            "application/problem+json": {"schema": problem},
        },
    }


def _table(operation: Operation, codes: Iterable[Code]) -> str:
    """The codes of one status as a table in Markdown."""
    rows = ["| code | outcome | retryable | when |", "|---|---|---|---|"]
    for code in codes:
        outcome = _outcome(operation, code)
        retryable = "yes" if CATALOGUE[code].retryable else "no"
        rows.append(f"| `{code}` | `{outcome}` | {retryable} | {CODE_DESCRIPTIONS[code]} |")
    return "\n".join(rows)


def _usual_headers(operation: Operation) -> list[str]:
    """The response headers that identify the call, and that say what of it was preferred."""
    theirs = ["MS-RequestId", "MS-CV", "MS-ServerId"] if operation.calls_partner_center else []
    applied = ["Preference-Applied"] if "Prefer" in operation.parameters else []
    return ["MS-CorrelationId", *theirs, *applied]


def _headers(names: Iterable[str]) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _examples(values: Mapping[str, Any]) -> Json:
    return {
        name: {"summary": examples.SUMMARIES[name], "value": value}
        for name, value in values.items()
    }


def _outcome(operation: Operation, code: Code) -> Outcome:
    """The catalogue's outcome; a GET changes nothing, so its outcome is never unknown."""
    outcome = CATALOGUE[code].outcome
    if operation.method != "get" or outcome is not Outcome.UNKNOWN:
        return outcome
    return Outcome.NOT_SENT if code == "internal_error" else Outcome.REJECTED


def _example_name(operation: Operation, code: Code) -> str:
    """The code; the example of a GET has a name of its own where its outcome differs."""
    return code if _outcome(operation, code) is CATALOGUE[code].outcome else f"{code}.reading"
