"""Runs workflow definitions as Logic Apps documents it, as far as the sample needs it.

From Microsoft's schema reference of the Workflow Definition Language and its pages on errors and
retry policies, on authentication, and on the asynchronous pattern. Whatever this module does not
support raises Unsupported instead of being skipped.

Where Microsoft does not say what happens, this module does what is harder for the function: it
sends none of the action's headers with a poll, and takes an error of a poll for the answer to the
whole try, which the retry policy then begins anew.
"""

import json
import random
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import httpx
import jsonschema_rs

CALL_SECONDS = 120
"""How long a Consumption workflow waits for an answer."""

POLL_SECONDS = 20
"""How long it waits before it polls, where the answer has no Retry-After."""

IDENTITY_TOKEN = "a-token-of-the-managed-identity"
"""Stands for the token that the platform fetches for a workflow that signs in."""

BY_HTTP = {
    "type": "Request",
    "kind": "Http",
    "operationOptions": "EnableSchemaValidation",
    "correlation": {"clientTrackingId": "@{triggerBody()?['id']}"},
    "inputs": {"method": "POST", "schema": {"type": "object"}},
}
"""A trigger that takes any object, for definitions of tests."""

_REMOVED = re.compile(
    "accept-.*|allow|content-(?!disposition$|encoding$|type$).*|cookie|expires|host|last-modified"
    "|origin|set-cookie|transfer-encoding",
    re.IGNORECASE,
)
"""The headers that the HTTP action leaves out without a word."""

Actions = Mapping[str, Mapping[str, Any]]


class Unsupported(Exception):
    """Something in the definition that this module does not support."""


class BadExpression(Exception):
    """An expression that Logic Apps would refuse to evaluate."""


class BadContent(Exception):
    """Content that does not fit its schema."""


class Terminated(Exception):
    """A Terminate action has ended the run."""


@dataclass(slots=True)
class Answer:
    """What a Response action gives the caller of the trigger."""

    status: int
    headers: dict[str, str]
    body: Any


@dataclass(slots=True)
class Done:
    """An action that has run, as the run history shows it; no inputs where they are secured."""

    status: str
    inputs: Any = None
    outputs: Any = None


@dataclass(slots=True)
class Run:
    """A finished run.

    `waits` are the seconds before each retry of an HTTP action, `polls` those before each time that
    it asked for a result.
    """

    status: str = "Succeeded"
    error_code: str | None = None
    error_message: str | None = None
    tracking_id: str | None = None
    answer: Answer | None = None
    history: dict[str, Done] = field(default_factory=dict)
    waits: list[float] = field(default_factory=list)
    polls: list[float] = field(default_factory=list)


@dataclass(slots=True)
class LogicApp:
    """A deployed workflow.

    `sleep` waits before a retry, and `uniform` draws how long; `pause` waits before a poll.
    """

    definition: Mapping[str, Any]
    parameters: Mapping[str, Any]
    client: httpx.Client
    sleep: Callable[[float], None]
    uniform: Callable[[float, float], float] = random.uniform
    pause: Callable[[float], None] = lambda seconds: None

    def post(self, body: Any) -> Run:
        """One request to the trigger. Raises BadContent where the trigger answers 400."""
        _only(
            self.definition,
            *("$schema", "contentVersion", "parameters", "triggers", "actions", "outputs"),
        )
        declared = self.definition["parameters"]
        if declared.keys() != self.parameters.keys():
            raise BadContent(f"parameters: {', '.join(declared)}")
        (trigger,) = self.definition["triggers"].values()
        _only(trigger, "type", "kind", "correlation", "operationOptions", "inputs")
        _is(trigger, type="Request", kind="Http", operationOptions="EnableSchemaValidation")
        _only(trigger["inputs"], "method", "schema")
        check(body, trigger["inputs"]["schema"])
        running = _Running(self, body)
        running.run.tracking_id = running.value(trigger["correlation"]["clientTrackingId"])
        with suppress(Terminated):
            running.run.status = running.all(self.definition["actions"])
        return running.run


class _Running:
    """One run under way."""

    def __init__(self, app: LogicApp, trigger_body: Any) -> None:
        self.app = app
        self.run = Run()
        self._trigger_body = trigger_body
        self._items: list[Any] = []
        self._variables: dict[str, Any] = {}

    def value(self, template: Any) -> Any:
        """A value of the definition with all its expressions evaluated."""
        if isinstance(template, dict):
            return {name: self.value(each) for name, each in template.items()}
        if isinstance(template, list):
            return [self.value(each) for each in template]
        if not isinstance(template, str) or "@" not in template:
            return template
        if template.startswith("@") and template[1:2] not in {"@", "{"}:
            return self._expression(template[1:])
        if "@@" in template:
            raise Unsupported(template)
        pieces = re.split(r"@\{([^{}]*)\}", template)
        pieces[1::2] = [_text(self._expression(piece)) for piece in pieces[1::2]]
        return "".join(pieces)

    def all(self, actions: Actions) -> str:
        """Runs actions in the order of their `runAfter`; what they came to."""
        waiting = dict(actions)
        while waiting:
            ready = [name for name, action in waiting.items() if self._may_decide(action, actions)]
            if not ready:
                raise BadContent(f"never run: {', '.join(waiting)}")
            for name in ready:
                self._act(name, waiting.pop(name))
        followed = {name for action in actions.values() for name in action["runAfter"]}
        ends = {self.run.history[name].status for name in actions if name not in followed}
        return "Succeeded" if ends <= {"Succeeded"} else "Failed"

    def _may_decide(self, action: Mapping[str, Any], siblings: Actions) -> bool:
        if not action["runAfter"].keys() <= siblings.keys():
            raise BadContent("runAfter names an action that is not beside it")
        return all(before in self.run.history for before in action["runAfter"])

    def _act(self, name: str, action: Mapping[str, Any]) -> None:
        if any(
            self.run.history[before].status not in statuses
            for before, statuses in action["runAfter"].items()
        ):
            self.run.history[name] = Done("Skipped")
            return
        kinds: dict[str, Callable[[Mapping[str, Any]], Done]] = {
            "Http": self._http,
            "If": self._if,
            "InitializeVariable": self._initialize,
            "ParseJson": self._parse_json,
            "Response": self._respond,
            "Select": self._select,
            "SetVariable": self._set,
            "Switch": self._switch,
            "Terminate": self._terminate,
            "Until": self._until,
            "Wait": self._wait,
        }
        if action["type"] not in kinds:
            raise Unsupported(f"{name} is of type {action['type']}")
        done = kinds[action["type"]](action)
        secured = action.get("runtimeConfiguration", {}).get("secureData", {}).get("properties", [])
        if "inputs" in secured:
            done.inputs = None
        self.run.history[name] = done

    def _http(self, action: Mapping[str, Any]) -> Done:
        _only(action, *_COMMON, "operationOptions", "runtimeConfiguration", "limit")
        if "operationOptions" in action:
            _is(action, operationOptions="DisableAsyncPattern")
        inputs = self.value(action["inputs"])
        _only(inputs, "method", "uri", "headers", "body", "authentication", "retryPolicy")
        lost = [name for name in inputs["headers"] if _REMOVED.fullmatch(name)]
        if lost:
            raise BadContent(f"headers that are never sent: {', '.join(lost)}")
        policy = inputs["retryPolicy"]
        for shortest, longest in (*intervals(policy), (0, None)):
            answer = self._call(inputs)
            if answer is not None and "operationOptions" not in action:
                try:
                    answer = self._polled(answer, inputs, action.get("limit"))
                except TimeoutError:
                    return Done("TimedOut", inputs)
            again = answer is None or answer.status_code in {408, 429} or answer.status_code >= 500
            if not again or longest is None:
                break
            wait = self.app.uniform(shortest, longest)
            if answer is not None:
                wait = max(wait, float(answer.headers.get("Retry-After", 0)))
            self.run.waits.append(wait)
            self.app.sleep(wait)
        if answer is None:
            return Done("Failed", inputs)
        outputs = {
            "statusCode": answer.status_code,
            "headers": {name.decode(): value.decode() for name, value in answer.headers.raw},
            "body": _content(answer),
        }
        return Done("Succeeded" if answer.is_success else "Failed", inputs, outputs)

    def _call(self, inputs: Mapping[str, Any]) -> httpx.Response | None:
        headers = {"x-ms-client-tracking-id": str(self.run.tracking_id), **inputs["headers"]}
        content = {} if inputs.get("body") is None else {"json": inputs["body"]}
        return self._send(inputs["method"], inputs["uri"], headers, inputs, **content)

    def _polled(
        self,
        answer: httpx.Response,
        inputs: Mapping[str, Any],
        limit: Mapping[str, Any] | None,
    ) -> httpx.Response | None:
        """The asynchronous pattern: ask at Location, after Retry-After, while the answer is 202.

        None where the connection was lost. Raises TimeoutError once the limit of the action is
        reached, and BadContent where an answer does not say where to ask.
        """
        left = seconds(limit["timeout"]) if limit else float("inf")
        polled: httpx.Response | None = answer
        while polled is not None and polled.status_code == 202:
            location = polled.headers.get("Location", "")
            if not httpx.URL(location).is_absolute_url:
                raise BadContent(f"202 without an absolute Location: {location}")
            pause = float(polled.headers.get("Retry-After", POLL_SECONDS))
            left -= pause
            if left < 0:
                raise TimeoutError
            self.run.polls.append(pause)
            self.app.pause(pause)
            polled = self._send("GET", location, {}, inputs)
        return polled

    def _send(
        self,
        method: str,
        uri: str,
        headers: Mapping[str, str],
        inputs: Mapping[str, Any],
        **content: Any,
    ) -> httpx.Response | None:
        """One request, with what the authentication adds to each; None where it is lost."""
        sent = dict(headers)
        if authentication := inputs.get("authentication"):
            _only(authentication, "type", "audience")
            _is(authentication, type="ManagedServiceIdentity")
            if not str(authentication["audience"]).startswith("api://"):
                raise BadContent("a managed identity gets a token for an audience only")
            sent["Authorization"] = f"Bearer {IDENTITY_TOKEN}"
        try:
            return self.app.client.request(
                method, uri, headers=sent, timeout=CALL_SECONDS, **content
            )
        except httpx.TransportError:
            return None

    def _parse_json(self, action: Mapping[str, Any]) -> Done:
        _only(action, *_COMMON)
        content = self.value(action["inputs"]["content"])
        inputs = {"content": content, "schema": action["inputs"]["schema"]}
        try:
            body = json.loads(content) if isinstance(content, str) else content
            check(body, inputs["schema"])
        except (ValueError, BadContent):
            return Done("Failed", inputs)
        return Done("Succeeded", inputs, {"body": body})

    def _respond(self, action: Mapping[str, Any]) -> Done:
        _only(action, *_COMMON, "kind", "operationOptions")
        _is(action, kind="Http", operationOptions="Asynchronous")
        inputs = self.value(action["inputs"])
        _only(inputs, "statusCode", "headers", "body")
        if self.run.answer is not None:
            raise BadContent("a second Response")
        self.run.answer = Answer(inputs["statusCode"], inputs.get("headers", {}), inputs["body"])
        return Done("Succeeded", inputs)

    def _select(self, action: Mapping[str, Any]) -> Done:
        _only(action, *_COMMON)
        selected = []
        for item in self.value(action["inputs"]["from"]):
            self._items.append(item)
            selected.append(self.value(action["inputs"]["select"]))
            self._items.pop()
        return Done("Succeeded", None, {"body": selected})

    def _switch(self, action: Mapping[str, Any]) -> Done:
        _only(action, "type", "description", "runAfter", "expression", "cases", "default")
        chosen = self.value(action["expression"])
        branch = action.get("default", {"actions": {}})
        for case in action["cases"].values():
            if type(case["case"]) is type(chosen) and case["case"] == chosen:
                branch = case
        return Done(self.all(branch["actions"]), chosen)

    def _if(self, action: Mapping[str, Any]) -> Done:
        _only(action, "type", "description", "runAfter", "expression", "actions")
        chosen = self.value(action["expression"])
        return Done(self.all(action["actions"] if chosen is True else {}), chosen)

    def _until(self, action: Mapping[str, Any]) -> Done:
        """The loop has the status of its last iteration, also where it reached its limit."""
        _only(action, "type", "description", "runAfter", "expression", "limit", "actions")
        status = ""
        for _ in range(action["limit"]["count"]):
            for name in _names(action["actions"]):
                self.run.history.pop(name, None)
            status = self.all(action["actions"])
            if self.value(action["expression"]) is True:
                break
        return Done(status)

    def _wait(self, action: Mapping[str, Any]) -> Done:
        _only(action, *_COMMON)
        interval = action["inputs"]["interval"]
        self.app.sleep(interval["count"] * {"Second": 1, "Minute": 60}[interval["unit"]])
        return Done("Succeeded", interval)

    def _initialize(self, action: Mapping[str, Any]) -> Done:
        _only(action, *_COMMON)
        (variable,) = action["inputs"]["variables"]
        _is(variable, type="object")
        self._variables[variable["name"]] = self.value(variable["value"])
        return Done("Succeeded", variable)

    def _set(self, action: Mapping[str, Any]) -> Done:
        _only(action, *_COMMON)
        name, value = action["inputs"]["name"], self.value(action["inputs"]["value"])
        if not isinstance(self._variables[name], dict) or not isinstance(value, dict):
            raise BadContent(f"{name} is no object")
        self._variables[name] = value
        return Done("Succeeded")

    def _terminate(self, action: Mapping[str, Any]) -> Done:
        _only(action, *_COMMON)
        inputs = self.value(action["inputs"])
        self.run.status = inputs["runStatus"]
        self.run.error_code = inputs["runError"]["code"]
        self.run.error_message = inputs["runError"]["message"]
        raise Terminated

    def _expression(self, text: str) -> Any:
        return _Expression(text, self._function).value()

    def _function(self, name: str, arguments: list[Any]) -> Any:
        match name, arguments:
            case "triggerBody", []:
                return self._trigger_body
            case "parameters", [str(of)]:
                return self.app.parameters[of]
            case "item", []:
                return self._items[-1]
            case "actions", [str(of)]:
                done = self.run.history[of]
                return {"name": of, "status": done.status, "outputs": done.outputs}
            case "outputs", [str(of)]:
                return self.run.history[of].outputs
            case "body", [str(of)]:
                return _property(self.run.history[of].outputs, "body", safe=False)
            case "equals", [one, other]:
                return type(one) is type(other) and one == other
            case "variables", [str(of)]:
                return self._variables[of]
            case "json", [str(text)]:
                return json.loads(text)
            case "not", [bool(one)]:
                return not one
            case "and", [bool(), bool(), *_]:
                return all(each is True for each in arguments)
            case "or", [bool(), bool(), *_]:
                return any(each is True for each in arguments)
            case "if", [bool(condition), then, otherwise]:
                return then if condition else otherwise
            case "coalesce", [_, *_]:
                return next((each for each in arguments if each is not None), None)
        raise Unsupported(f"{name}() with {len(arguments)} arguments")


_COMMON = ("type", "description", "runAfter", "inputs")


class _Expression:
    """One expression, evaluated while it is read. All arguments of a function are evaluated."""

    _TOKEN = re.compile(r"\s*('(?:[^']|'')*'|-?\d+|[A-Za-z_]\w*|[?,()\[\]])")

    def __init__(self, text: str, function: Callable[[str, list[Any]], Any]) -> None:
        self._text = text
        self._function = function
        self._tokens = self._read(text)
        self._next = next(self._tokens)

    def value(self) -> Any:
        """What it comes to."""
        value = self._operand()
        if self._next:
            raise BadExpression(self._text)
        return value

    def _read(self, text: str) -> Iterator[str]:
        end = 0
        while end < len(text.rstrip()):
            token = self._TOKEN.match(text, end)
            if not token:
                raise BadExpression(text)
            yield token[1]
            end = token.end()
        yield ""

    def _take(self, expected: str = "") -> str:
        taken = self._next
        if (expected and taken != expected) or not taken:
            raise BadExpression(self._text)
        self._next = next(self._tokens)
        return taken

    def _operand(self) -> Any:
        token = self._take()
        constants = {"true": True, "false": False, "null": None}
        value: Any
        if token.startswith("'"):
            value = token[1:-1].replace("''", "'")
        elif token.lstrip("-").isdigit():
            value = int(token)
        elif token in constants:
            value = constants[token]
        elif token.isidentifier():
            value = self._function(token, self._arguments())
        else:
            raise BadExpression(self._text)
        return self._properties(value)

    def _arguments(self) -> list[Any]:
        arguments = []
        self._take("(")
        while self._next != ")":
            arguments.append(self._operand())
            if self._next != ")":
                self._take(",")
        self._take(")")
        return arguments

    def _properties(self, value: Any) -> Any:
        while self._next in {"?", "["}:
            safe = self._next == "?"
            if safe:
                self._take()
            self._take("[")
            value = _property(value, self._operand(), safe=safe)
            self._take("]")
        return value


def _names(actions: Actions) -> Iterator[str]:
    """The names of actions and of those inside them."""
    for name, action in actions.items():
        yield name
        yield from _names(action.get("actions", {}))


def _property(value: Any, name: Any, *, safe: bool) -> Any:
    """A member of an object. `?` helps where there is none, not where there is no object."""
    if value is None and safe:
        return None
    if not isinstance(value, dict) or not isinstance(name, str):
        raise BadExpression(f"{name} cannot be selected from {type(value).__name__}")
    if name not in value and not safe:
        raise BadExpression(f"there is no {name}")
    return value.get(name)


def _text(value: Any) -> str:
    """A value within a text."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def _content(answer: httpx.Response) -> Any:
    """A body as the HTTP action gives it on."""
    if not answer.content:
        return None
    kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        return answer.json()
    if kind.startswith("text/"):
        return answer.text
    return {"$content-type": kind, "$content": "(base64)"}


def intervals(policy: Mapping[str, Any]) -> list[tuple[float, float]]:
    """Between which seconds each retry's wait is drawn (Exponential interval retry policy)."""
    _only(policy, "type", "count", "interval", "minimumInterval", "maximumInterval")
    _is(policy, type="exponential")
    interval = seconds(policy["interval"])
    least, most = seconds(policy["minimumInterval"]), seconds(policy["maximumInterval"])
    if not 5 <= least <= interval <= most <= 86_400 or not 1 <= policy["count"] <= 90:
        raise BadContent("a retry policy out of bounds")
    steps = [0.0, *(interval * 2.0**power for power in range(policy["count"]))]
    return [(max(start, least), min(end, most)) for start, end in pairwise(steps)]


def seconds(duration: str) -> float:
    """An ISO 8601 duration of one part."""
    parts = re.fullmatch(r"P(?:(\d+)D|T(\d+)([HMS]))", duration)
    if not parts:
        raise Unsupported(duration)
    days, count, unit = parts.groups()
    return float(int(days) * 86_400 if days else int(count) * {"H": 3600, "M": 60, "S": 1}[unit])


def check(value: Any, schema: Mapping[str, Any]) -> None:
    """Raises BadContent where `value` does not fit a JSON schema."""
    try:
        jsonschema_rs.Draft4Validator(dict(schema)).validate(value)
    except jsonschema_rs.ValidationError as error:
        raise BadContent(error.message) from None


def _only(given: Mapping[str, Any], *known: str) -> None:
    unknown = given.keys() - set(known)
    if unknown:
        raise Unsupported(", ".join(sorted(unknown)))


def _is(given: Mapping[str, Any], **expected: str) -> None:
    for name, value in expected.items():
        if given.get(name) != value:
            raise Unsupported(f"{name}: {given.get(name)}")
