"""Which operation a request is, and the names and ids that follow from that.

Everything here is computed, so that a process which has lost its memory finds the same again.
"""

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

NAMING_VERSION: Final = 2
"""The version of the rule for the names of records and for MS-RequestIds.

Under another rule the records that exist are not found, and every order that is repeated is bought
again. So whoever changes the rule raises the version and brings the migration: as long as records
of the version before count, an operation without a record is looked for under its old name too.
Version 1 had the caller in it. No deployment ever used it, so it has left no records.
"""

FINGERPRINT_VERSION: Final = 1

PURCHASES: Final = frozenset({"checkout_cart", "place_order"})
"""The operations that spend money. Their records are kept apart, because they are kept longer."""

CARTS_PREFIX: Final = "carts/"
PURCHASES_PREFIX: Final = "purchases/"
RECENT_PREFIX: Final = "recent/"

_REQUEST_IDS: Final = uuid.uuid5(
    uuid.NAMESPACE_URL, f"urn:partner-center-carts:request-id:{NAMING_VERSION}"
)


@dataclass(frozen=True, slots=True)
class OperationId:
    """The identity of one operation.

    The caller is no part of it. Who calls changes when the platform begins to sign callers in, when
    a workflow's identity is made anew, or when a workflow gets another owner; the order that it
    repeats stays the same order, and must not be bought again.
    """

    operation: str
    customer_id: str
    key: str

    def record_name(self) -> str:
        """The name under which the operation's record is stored: a prefix and 64 hex digits."""
        prefix = PURCHASES_PREFIX if self.operation in PURCHASES else CARTS_PREFIX
        return prefix + _sha256([NAMING_VERSION, self.operation, self.customer_id, self.key])

    def checkout_correlation_id(self) -> str | None:
        """The MS-CorrelationId of the checkouts of a cart, by which they are found again.

        It belongs to this cart alone, however many carts a caller buys under an id of its own.
        """
        if self.operation != "checkout_cart":
            return None
        scope = [self.operation, "correlation", self.customer_id, self.key]
        return str(uuid.uuid5(_REQUEST_IDS, json.dumps(scope)))

    def request_id(self, step: str, fingerprint: str, epoch: int) -> str:
        """The MS-RequestId of a step: another one for other content and in another epoch."""
        scope = [self.operation, step, self.customer_id, self.key]
        return str(uuid.uuid5(_REQUEST_IDS, json.dumps([*scope, fingerprint, epoch])))


def recent_name(customer_id: str, fingerprint: str) -> str:
    """The name under which it is remembered for a while which order had this content."""
    return RECENT_PREFIX + _sha256([NAMING_VERSION, customer_id, fingerprint])


def spending_name(who: str, name: str, hour: int) -> str:
    """The name of the record of what a caller or a customer has bought in an hour since 1970."""
    return RECENT_PREFIX + _sha256([NAMING_VERSION, "spending", who, name, hour])


def fingerprint(content: Mapping[str, Any]) -> str:
    """`<version>:<SHA-256>` of a request's canonical content, by the newest version's rule."""
    return f"{FINGERPRINT_VERSION}:{_sha256(content)}"


def fingerprint_like(recorded: str, content: Mapping[str, Any]) -> str | None:
    """The fingerprint of `content` by the rule of `recorded`; None if that rule is not known."""
    version = recorded.partition(":")[0]
    return fingerprint(content) if version == str(FINGERPRINT_VERSION) else None


def _sha256(value: Any) -> str:
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), default=_canonical_number)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _canonical_number(number: Any) -> float | str:
    """A number as a float, so that 1.5 and 1.50 are one; its digits where no float equals it."""
    if not isinstance(number, Decimal):
        raise TypeError(f"{type(number).__name__} is not JSON")
    nearest = float(number)
    return nearest if Decimal(repr(nearest)) == number else str(number)
