"""The links of the chain that Readiness goes down, over the same ports that requests use.

A token for Partner Center is fetched anew rather than taken from the cache: what is asked is
whether one can be had now.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from cart_core.call import Call
from cart_core.deadline import Deadline
from cart_core.partner_center.customers import Customers
from cart_core.partner_center.retry import Tokens
from cart_core.problem import Problem
from cart_core.settings import Settings
from cart_core.tokens import AccessToken, TokenFailure, usable
from cart_core.use_cases.readiness import Link, LinkName

IDENTITY_SECONDS: Final = 12.0
VAULT_SECONDS: Final = 24.0
ENTRA_SECONDS: Final = 12.0
TOKEN_SECONDS: Final = 30.0
PARTNER_CENTER_SECONDS: Final = 20.0
STORE_SECONDS: Final = 16.0
QUEUE_SECONDS: Final = 6.0


@dataclass(frozen=True, slots=True)
class Ports:
    """What the links try. All raise Problem.

    Those that give no awaitable block. `callers` says whether mode and platform agree on who admits
    callers. `tenant` asks Entra for the tenant. `customers` are those that are read with the tokens
    given to it. `clock` gives POSIX seconds, `monotonic` seconds.
    """

    callers: Callable[[], None]
    identity: Callable[[], object]
    read_credential: Callable[[], object]
    read_refresh_token: Callable[[], object]
    tenant: Callable[[], Awaitable[None]]
    fetch_token: Callable[[], AccessToken]
    customers: Callable[[Tokens], Customers]
    store: Callable[[], Awaitable[None]]
    queue: Callable[[], Awaitable[None]]
    clock: Callable[[], float]
    monotonic: Callable[[], float]


def links(settings: Settings, ports: Ports, correlation_id: str) -> list[Link]:
    """The links of one run, for valid settings."""
    chain = _Run(settings, ports, correlation_id)
    stored: tuple[LinkName, ...] = () if settings.store_url == "memory" else ("identity",)
    secrets = _secrets(settings, ports)
    return [
        Link("settings", _nothing, 1.0, "configuration_invalid"),
        Link("callers", _at_once(ports.callers), 1.0, "configuration_invalid"),
        Link(
            *("identity", _blocking(ports.identity)),
            *(IDENTITY_SECONDS, "managed_identity_unavailable"),
        ),
        *secrets,
        Link("entra", ports.tenant, ENTRA_SECONDS, "token_unavailable"),
        Link(
            *("token", chain.fetch_token, TOKEN_SECONDS, "token_unavailable"),
            ("identity", *(each.name for each in secrets), "entra"),
        ),
        Link(
            *("partnerCenter", chain.read, PARTNER_CENTER_SECONDS, "partner_center_timeout"),
            ("token",),
        ),
        Link("store", ports.store, STORE_SECONDS, "store_unavailable", stored),
        Link("queue", ports.queue, QUEUE_SECONDS, "store_unavailable", stored),
    ]


ALWAYS: Final[Sequence[LinkName]] = (
    *("callers", "identity", "entra", "token", "partnerCenter", "store", "queue"),
)
"""The links beside the settings that there are whatever the settings say."""


def links_without_settings(problem: Problem) -> list[Link]:
    """The links where the settings are missing or wrong, as the problem says."""

    async def fail() -> None:
        raise problem

    return [
        Link("settings", fail, 1.0, "configuration_invalid"),
        *(Link(name, _nothing, 1.0, "internal_error", ("settings",)) for name in ALWAYS),
    ]


def _secrets(settings: Settings, ports: Ports) -> list[Link]:
    """A link for each vault, and one for each secret in it."""
    names: list[tuple[LinkName, LinkName, Callable[[], object]]] = []
    if settings.credential == "secret":
        names.append(("vault", "clientSecret", ports.read_credential))
    if settings.credential == "certificate":
        names.append(("vault", "certificate", ports.read_credential))
    if settings.auth == "app_user":
        own = settings.refresh_token_vault_override
        vault: LinkName = "refreshTokenVault" if own else "vault"
        names.append((vault, "refreshToken", ports.read_refresh_token))
    found: dict[LinkName, Link] = {}
    for vault, secret, read in names:
        look = _blocking(_whatever_it_holds(read))
        found.setdefault(
            vault, Link(vault, look, VAULT_SECONDS, "vault_unavailable", ("identity",))
        )
        found[secret] = Link(secret, _blocking(read), VAULT_SECONDS, "vault_unavailable", (vault,))
    return list(found.values())


def _whatever_it_holds(read: Callable[[], object]) -> Callable[[], object]:
    """Reads a secret to see whether the vault answers; that the secret is missing is an answer."""

    def ask() -> None:
        try:
            read()
        except TokenFailure as failure:
            if failure.code != "secret_missing":
                raise

    return ask


@dataclass(slots=True)
class _Run:
    """What one link leaves to the next one."""

    settings: Settings
    ports: Ports
    correlation_id: str
    token: AccessToken | None = field(default=None, repr=False)

    async def fetch_token(self) -> None:
        """Fetch a token for Partner Center."""
        token = await asyncio.to_thread(self.ports.fetch_token)
        self.token = usable(token, self.ports.clock())

    async def read(self) -> None:
        """Read something at Partner Center that changes nothing, with that token."""
        if self.token is None:
            raise AssertionError("the link before has not fetched a token")
        # The call ends before the link does, so that its own problem is told.
        deadline = Deadline.after(PARTNER_CENTER_SECONDS - 1, self.ports.monotonic)
        call = Call(self.correlation_id, "", self.settings.locale, deadline)
        await self.ports.customers(_Fetched(self.token)).require_an_answer(call)


class _Fetched:
    """Tokens (see partner_center.retry) of which there is one."""

    def __init__(self, token: AccessToken) -> None:
        self._token = token

    async def get(self) -> AccessToken:
        return self._token

    async def renew(self, rejected: AccessToken, claims: str | None = None) -> AccessToken:
        return self._token


async def _nothing() -> None:
    """The link is there once the app is built."""


def _at_once(check: Callable[[], None]) -> Callable[[], Awaitable[None]]:
    async def call() -> None:
        check()

    return call


def _blocking(check: Callable[[], object]) -> Callable[[], Awaitable[object]]:
    async def call() -> object:
        return await asyncio.to_thread(check)

    return call
