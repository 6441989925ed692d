"""What is still missing: goes down the chain of all that a request needs, link by link."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from cart_core.problem import Code, Fault, Problem

_LOG = logging.getLogger(__name__)

LinkName = Literal[
    "settings",
    "callers",
    "identity",
    "vault",
    "clientSecret",
    "certificate",
    "refreshTokenVault",
    "refreshToken",
    "entra",
    "token",
    "partnerCenter",
    "store",
    "queue",
]
LinkStatus = Literal["ok", "failed", "not_reached"]


@dataclass(frozen=True, slots=True)
class Link:
    """One link of the chain.

    `check` raises the Problem that a request would get. It may take `seconds`, and one that takes
    longer has failed with the code `late`. It is tried only where all links in `needs` are ok.
    """

    name: LinkName
    check: Callable[[], Awaitable[object]]
    seconds: float
    late: Code
    needs: Sequence[LinkName] = ()


@dataclass(frozen=True, slots=True)
class LinkFinding:
    """What was found of a link; `milliseconds` is None for one that was not reached."""

    name: LinkName
    status: LinkStatus
    milliseconds: int | None = None
    code: Code | None = None
    detail: str | None = None
    fault: Fault | None = None


class Readiness:
    """Looks whether everything is there. `monotonic` gives seconds.

    `new_links` gives the links for one run, whose correlation id it takes. Whoever asks while a run
    is under way gets what that one finds.
    """

    def __init__(
        self, new_links: Callable[[str], Sequence[Link]], *, monotonic: Callable[[], float]
    ) -> None:
        self._new_links = new_links
        self._monotonic = monotonic
        self._run: asyncio.Task[list[LinkFinding]] | None = None

    async def __call__(self, correlation_id: str) -> list[LinkFinding]:
        """What was found, in the order of the chain. Nothing is raised."""
        if self._run is None or self._run.done():
            self._run = asyncio.create_task(self._go(self._new_links(correlation_id)))
        return await asyncio.shield(self._run)

    async def _go(self, links: Sequence[Link]) -> list[LinkFinding]:
        found: dict[LinkName, LinkFinding] = {}
        for link in links:
            reached = all(found[name].status == "ok" for name in link.needs)
            found[link.name] = await self._try(link) if reached else _not_reached(link)
        return list(found.values())

    async def _try(self, link: Link) -> LinkFinding:
        began, problem = self._monotonic(), None
        try:
            async with asyncio.timeout(link.seconds):
                await link.check()
        except Problem as stated:
            problem = stated
        except TimeoutError:
            problem = Problem(link.late, f"There was no answer within {link.seconds:g} seconds.")
        except Exception as error:
            _LOG.error("the link %s broke down: %s", link.name, type(error).__name__)
            problem = Problem("internal_error", "This is a defect: tell the developers.")
        milliseconds = round((self._monotonic() - began) * 1000)
        if problem is None:
            return LinkFinding(link.name, "ok", milliseconds)
        return LinkFinding(
            *(link.name, "failed", milliseconds, problem.code, problem.detail, problem.fault)
        )


def _not_reached(link: Link) -> LinkFinding:
    return LinkFinding(link.name, "not_reached")
