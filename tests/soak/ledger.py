"""The local cloud with a memory for what a soak has to prove."""

import json
from collections import Counter
from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any, Final
from urllib.parse import parse_qs

from aiohttp import web

from cart_core.idempotency import OperationId
from emulator.azurite import Azurite
from emulator.cloud import LocalCloud
from emulator.journal import Arrival, Journal, Service
from emulator.partner_center import StoredCart
from tests.soak.scenario import TOO_LATE

_SECRET_FIELDS: Final = ("client_secret", "client_assertion", "refresh_token")

_arrival: ContextVar[Arrival] = ContextVar("_arrival")
"""The request that the running handler serves."""


class Ledger(Journal):
    """Keeps all calls for carts, all writes to storage, and all secrets that went by."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Arrival] = []
        self.writes: list[Arrival] = []
        self.secrets: set[str] = set()

    async def add(self, service: Service, request: web.Request) -> Arrival:
        """See Journal."""
        arrival = await super().add(service, request)
        _arrival.set(arrival)
        if service == "partner_center":
            self.calls.append(arrival)
        if service == "storage" and arrival.method == "PUT":
            self.writes.append(arrival)
        scheme, _, token = arrival.headers.get("authorization", "").partition(" ")
        if scheme == "Bearer":
            self.secrets.add(token)
        if service == "entra":
            form = parse_qs(arrival.body.decode())
            self.secrets.update(text for name in _SECRET_FIELDS for text in form.get(name, []))
        return arrival


class Carts(dict[str, StoredCart]):
    """Carts by id, with the call that made each."""

    def __init__(self) -> None:
        super().__init__()
        self.made_by: dict[str, Arrival] = {}

    def __setitem__(self, cart_id: str, cart: StoredCart) -> None:
        self.made_by[cart_id] = _arrival.get()
        super().__setitem__(cart_id, cart)


class SoakCloud(LocalCloud):
    """The local cloud, watched."""

    def __init__(self, *, deduplicate: bool, seed: int, azurite: Azurite) -> None:
        super().__init__(deduplicate=deduplicate, seed=seed, azurite=azurite)
        self.ledger = Ledger()
        self.journal = self.ledger
        self.carts = Carts()
        self.partner_center.carts = self.carts

    def secrets(self) -> set[str]:
        """Everything secret that exists here or went by, but for the function's own key."""
        secrets = self.ledger.secrets | self.entra.client_secrets | set(self.entra.refresh_tokens)
        for vault in self.key_vault.vaults.values():
            secrets |= {version.value for kept in vault.values() for version in kept}
        return secrets | {self.identity.header}

    def calls_by_key(self) -> dict[str, list[Arrival]]:
        """The calls for carts by the order's key, oldest first."""
        found: dict[str, list[Arrival]] = {}
        for call in self.ledger.calls:
            found.setdefault(key_of(json.loads(call.body)), []).append(call)
        return found

    def held_up_until(self) -> float:
        """When the last call that may still be held up has made its cart, in POSIX seconds."""
        open_calls = [call.time for call in self.ledger.calls if call.status is None]
        return max(open_calls, default=0) + TOO_LATE + 1

    def blob_names(self) -> set[str]:
        """Every blob that anybody ever tried to write."""
        return {_blob(write) for write in self.ledger.writes}

    async def blob(self, name: str) -> bytes:
        """What is in a blob now."""
        assert self.storage
        return (await self.storage.get(name))[1]


def key_of(cart: dict[str, Any]) -> str:
    """The key of the order that a cart is for."""
    return str(cart["lineItems"][0]["friendlyName"])


def blob_of(operation: OperationId) -> str:
    """The name of an operation's blob."""
    return f"{operation.record_name()}.json"


def claims(writes: Iterable[Arrival]) -> Counter[str]:
    """How often a run was seen to claim its key, by what it found there.

    A claim whose answer was lost is not counted: it may have been refused.
    """
    counts: Counter[str] = Counter()
    last: dict[str, str] = {}
    counted: set[str] = set()
    for write in writes:
        record = json.loads(write.body)
        if write.status in (409, 412) or record["nonce"] in counted:
            continue
        name = _blob(write)
        if record["state"] == "in_progress":
            if write.status != 201:
                continue
            counts[_FOUND[last.get(name)]] += 1
        counted.add(record["nonce"])
        last[name] = record["state"]
    return counts


_FOUND: Final = {
    None: "nothing",
    "in_progress": "a lease that was over",
    "completed": "a lease that was over",  # its completion did not reach the store
    "unknown": "an unknown outcome",
    "released": "a release",
}


def _blob(write: Arrival) -> str:
    return write.path.rpartition("/")[2]
