"""Calls a function of an app as Azure does: through Microsoft's worker library, if installed.

With the library, the figures include what it does for each invocation. Its gRPC messages are
replaced by plain objects, so the figures include neither protobuf nor the transport from the host
to the worker. Without the library (Python below 3.13) the handler is called directly with an
`azure.functions.HttpRequest`.
"""

import importlib.util
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from local.functions_host import load
from tests.worker.runtime import Request, Worker

Invoke = Callable[[Mapping[str, str], bytes], Awaitable[int]]
"""Posts headers (names in lower case) and a body, and returns the status of the answer."""


def has_runtime() -> bool:
    """Whether the worker library is installed."""
    return importlib.util.find_spec("azure_functions_runtime") is not None


async def open_function(
    app_dir: Path, route: Mapping[str, str], name: str = "create_cart"
) -> Invoke:
    """One function of the app in `app_dir`, for one set of route parameters.

    A process can open one app only, because the module of each is called `function_app`.
    """
    url = "http://127.0.0.1/api/carts"
    if has_runtime():
        worker = await Worker.start(app_dir)

        async def invoke(headers: Mapping[str, str], body: bytes) -> int:
            request = Request(name, "POST", url, headers, route, body)
            return (await worker.invoke(request)).status

        return invoke

    import azure.functions as func

    function = next(function for function in load(app_dir) if function.name == name)

    async def call(headers: Mapping[str, str], body: bytes) -> int:
        answer = await function.invoke(
            func.HttpRequest(method="POST", url=url, headers=headers, route_params=route, body=body)
        )
        return int(answer.status_code)

    return call
