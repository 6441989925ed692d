"""The keys of a source: read from where secrets are kept, and kept for a while."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from cart_core.problem import Problem
from cart_core.storefronts.ports import Secrets
from cart_core.storefronts.signatures import MIN_KEY_BYTES, Scheme, signing_key

FRESH_SECONDS: Final = 300.0
"""For how long keys are used without a look."""

AGAIN_SECONDS: Final = 30.0
"""After so long a signature that matches no key makes us look for a new key."""


class SourceClosed(Exception):
    """A source whose secrets cannot be used: missing, too short, or no key. The text says which."""


@dataclass(slots=True)
class _Kept:
    keys: list[bytes]
    read_at: float


class SourceKeys:
    """The keys of all sources. `clock` gives seconds.

    Where the secrets cannot be read, keys that were read before go on being used: a shop that does
    not repeat its deliveries must not lose orders because a vault cannot be reached.
    """

    def __init__(self, secrets: Secrets, clock: Callable[[], float]) -> None:
        self._secrets = secrets
        self._clock = clock
        self._kept: dict[str, _Kept] = {}

    async def keys(
        self, source: str, scheme: Scheme, names: Sequence[str], *, renew: bool = False
    ) -> tuple[list[bytes], bool]:
        """The keys, and whether they are new since the last time.

        With `renew` they are read again, if they are older than AGAIN_SECONDS. Raises SourceClosed,
        and Problem where the secrets cannot be read and none are known, or `renew` had to read.
        """
        kept, now = self._kept.get(source), self._clock()
        age = now - kept.read_at if kept else None
        if kept and age is not None and age < (AGAIN_SECONDS if renew else FRESH_SECONDS):
            return kept.keys, False
        try:
            values = await self._secrets.read(names)
        except Problem:
            if kept and not renew:
                return kept.keys, False
            raise
        keys = [_usable(scheme, name, values[name]) for name in names]
        changed = kept is None or kept.keys != keys
        self._kept[source] = _Kept(keys, now)
        return keys, changed


def _usable(scheme: Scheme, name: str, secret: str) -> bytes:
    key = signing_key(scheme, secret)
    if key is None:
        raise SourceClosed(f"The secret {name} is no base64, as Standard Webhooks has it.")
    if len(key) < MIN_KEY_BYTES:
        raise SourceClosed(f"The secret {name} has fewer than {MIN_KEY_BYTES} bytes.")
    return key
