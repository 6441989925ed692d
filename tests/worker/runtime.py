"""Microsoft's worker library (azure-functions-runtime, Python 3.13 and later) without its host.

In Azure the library gets protobuf messages from a proxy that speaks gRPC to the Functions host. It
only reads their attributes, so plain objects take their place here.

`python -m tests.worker.runtime APP_DIR` indexes the app, answers the requests in a JSON list on
standard input one by one, and prints the bindings of each function and the answers as JSON. What
has a `message` is a message of a queue; its answer is an empty object.
"""

import asyncio
import importlib
import json
import os
import sys
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

from local import loopback_guard
from local.queue_trigger import Message as QueueMessage
from local.queue_trigger import trigger_metadata

_MOMENT = "Sun, 22 Nov 2026 12:00:00 GMT"


class Message(SimpleNamespace):
    """A protobuf message with the members that it was made with."""

    def WhichOneof(self, group: str) -> str | None:  # noqa: N802 - protobuf's name
        """The member that is set, for messages that hold only one."""
        return next(iter(vars(self)), None)


class _StatusResult(Message):
    Failure, Success, Cancelled = range(3)


class _BindingInfo(Message):
    undefined = 0
    out, inout = 1, 2


_MESSAGES = (
    *("FunctionLoadResponse", "FunctionMetadataResponse", "InvocationResponse"),
    *("ParameterBinding", "RpcException", "RpcFunctionMetadata", "RpcHttp", "TypedData"),
    *("WorkerInitResponse", "WorkerMetadata"),
)
_PROTOS = SimpleNamespace(
    BindingInfo=_BindingInfo, StatusResult=_StatusResult, **dict.fromkeys(_MESSAGES, Message)
)


class _Input(Message):
    """A parameter's value; its name is no member of the group."""

    def __init__(self, name: str, data: Message) -> None:
        super().__init__(data=data, name=name)


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request for a function, after the host's routing. Header names are in lower case."""

    function: str
    method: str = "GET"
    url: str = "http://localhost"
    headers: Mapping[str, str] = field(default_factory=dict)
    route: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    trace_parent: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer that the host gets."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Worker:
    """The worker with one app. The library has one app for the whole process."""

    def __init__(self, runtime: Any, functions: list[Any]) -> None:
        self.functions = functions
        """As the library reports them: `name`, `function_id`, and `raw_bindings` in JSON."""
        self._runtime = runtime
        self._ids = {function.name: function.function_id for function in functions}

    @classmethod
    async def start(cls, app_dir: Path) -> Self:
        """Indexes and loads the app of a directory, in the order in which the host asks for it.

        Raises RuntimeError where the library reports a failure.
        """
        runtime = importlib.import_module("azure_functions_runtime")
        sys.path.insert(0, str(app_dir))
        init = Message(capabilities={}, function_app_directory=str(app_dir))
        properties = {"host": "127.0.0.1", "protos": _PROTOS}
        start = Message(request=Message(worker_init_request=init), properties=properties)
        _succeeded(await runtime.worker_init_request(start))
        listed = _succeeded(await runtime.functions_metadata_request(Message()))
        functions = list(listed.function_metadata_results or ())
        for function in functions:
            load = Message(function_load_request=Message(function_id=function.function_id))
            _succeeded(await runtime.function_load_request(Message(request=load)))
        return cls(runtime, functions)

    async def invoke(self, request: Request) -> Answer:
        """The answer of one function.

        Raises RuntimeError where the invocation ended with an exception, which the host answers
        with an empty 500.
        """
        http = Message(
            method=request.method,
            url=request.url,
            headers=request.headers,
            params=request.route,
            query={},
            body=Message(bytes=request.body) if request.body else Message(),
        )
        done = await self._invoke(request.function, "req", Message(http=http), request.trace_parent)
        answer = done.return_value.http
        return Answer(int(answer.status_code), answer.headers, answer.body.bytes)

    async def ring(self, function: str, message: str) -> None:
        """Hands a message of a queue to a function, with its metadata as the host sends them.

        Raises RuntimeError where the function does, which brings the message back.
        """
        taken = QueueMessage("an-id", "a-receipt", message, 1, *([_MOMENT] * 3))
        metadata = {
            name: Message(**{str(datum.type): datum.value})
            for name, datum in trigger_metadata(taken, message).items()
        }
        await self._invoke(function, "message", Message(string=message), metadata=metadata)

    async def _invoke(
        self,
        function: str,
        parameter: str,
        data: Message,
        trace_parent: str = "",
        metadata: Mapping[str, Message] | None = None,
    ) -> Any:
        invocation = Message(
            invocation_id=str(uuid.uuid4()),
            function_id=self._ids[function],
            trace_context=Message(trace_parent=trace_parent, trace_state="", attributes={}),
            retry_context=Message(retry_count=0, max_retry_count=0, exception=None),
            trigger_metadata=metadata or {},
            input_data=[_Input(parameter, data)],
        )
        call = Message(request=Message(invocation_request=invocation))
        return _succeeded(await self._runtime.invocation_request(call))


def _succeeded(response: Any) -> Any:
    if response.result.status != _StatusResult.Success:
        raise RuntimeError(response.result.exception.message)
    return response


async def _main() -> None:
    if os.environ.get(loopback_guard.VARIABLE):
        loopback_guard.install()
    worker = await Worker.start(Path(sys.argv[1]))
    answers: list[dict[str, Any]] = []
    for request in json.load(sys.stdin):
        if "message" in request:
            await worker.ring(**request)
            answers.append({})
            continue
        answer = await worker.invoke(Request(**request | {"body": request["body"].encode()}))
        answers.append(asdict(answer) | {"body": answer.body.decode()})
    functions = {each.name: list(map(json.loads, each.raw_bindings)) for each in worker.functions}
    sys.stdout.write(json.dumps({"functions": functions, "answers": answers}))


if __name__ == "__main__":
    asyncio.run(_main())
