"""A caller that polls what it was told to poll."""

import asyncio
from urllib.parse import parse_qsl, urlsplit

from cart_core.api.invocation import answer
from cart_core.api.messages import Request, Response
from tests.kit.builders import CUSTOMER
from tests.kit.world import KEYED, World

ASYNC = KEYED | {"prefer": "respond-async"}


def location(accepted: Response, header: str = "Location") -> tuple[str, dict[str, str]]:
    """The id and the query of one of the addresses of a 202."""
    parts = urlsplit(accepted.headers[header])
    return parts.path.split("/")[3], dict(parse_qsl(parts.query))


async def result(world: World, accepted: Response) -> Response:
    """What is found at `Location` now."""
    return await poll(world, "get_accepted_result", *location(accepted))


async def monitor(world: World, accepted: Response) -> Response:
    """What is found at `Operation-Location` now."""
    return await poll(world, "get_accepted", *location(accepted, "Operation-Location"))


async def poll(world: World, endpoint: str, operation_id: str, query: dict[str, str]) -> Response:
    """What is found at an address, asked for without any header."""
    request = Request({}, {"id": operation_id}, b"", query, "https://app.example")
    return await answer(endpoint, world.endpoints[endpoint], request, CUSTOMER)


async def ended(world: World, accepted: Response) -> Response:
    """The result, polled as the answers ask."""
    while True:
        found = await result(world, accepted)
        if found.status != 202:
            return found
        await asyncio.sleep(int(found.headers["Retry-After"]))
