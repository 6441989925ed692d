"""Accept an operation: once the caller has the answer 202, it will be done, whichever process dies.

There are three writes, one after the other: a bell (a queue message, see bell.py) that becomes
visible a little later, the operation's record, and the record of its key. A process may die after
any of them:

- After the bell was written, the bell finds no record. No caller was told that anything was
  accepted, so the bell is dropped once it is too old for a record still to come.
- After the operation's record was written, the bell finds it, and the operation is done. No caller
  was told so; a repetition of the request finds the operation by its key.
- After the key's record was written, only the answer to the caller is missing.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from cart_core import telemetry
from cart_core.call import Answer, Call
from cart_core.idempotency.claim import Claims, in_progress
from cart_core.idempotency.operation_id import fingerprint, fingerprint_like
from cart_core.idempotency.plan import Keyed
from cart_core.idempotency.store import StoreUnavailable
from cart_core.operations.bell import Bell
from cart_core.operations.bells import Bells
from cart_core.operations.operation import AcceptedOperation, AcceptedRequest, new_id
from cart_core.operations.store import OperationStore, Versioned
from cart_core.problem import Problem

FIRST_RING: Final = 1.0
"""Seconds after which the bell of a new operation rings: until then its records are written."""

TOKEN_BYTES: Final = 16

OF_A_KEY: Final = "key:"
"""How a caller's id begins that is the fingerprint of a function key. Keys are replaced."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The operation that was accepted, now or by an earlier delivery of the same request."""

    operation: AcceptedOperation
    new: bool


class Acceptance:
    """Accepts operations. `clock` gives POSIX seconds."""

    def __init__(
        self,
        operations: OperationStore,
        bells: Bells,
        claims: Claims,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._operations = operations
        self._bells = bells
        self._claims = claims
        self._clock = clock

    async def __call__(
        self, call: Call, asked: Keyed, request: AcceptedRequest
    ) -> Accepted | Answer:
        """The accepted operation, or the answer that its key has been given already.

        Raises Problem `store_unavailable`, `idempotency_key_reused` or `operation_in_progress`.
        """
        try:
            return await self._accept(call, asked, request)
        except StoreUnavailable as failure:
            raise Problem(
                "store_unavailable",
                f"{failure} It is not certain that the request was accepted: send it again under"
                " the same key.",
                retry_after=failure.retry_after,
            ) from None

    async def _accept(
        self, call: Call, asked: Keyed, request: AcceptedRequest
    ) -> Accepted | Answer:
        operation = self._new(call, asked, request)
        name = operation.names.open
        await self._bells.hang(Bell(name, self._clock()).text(), FIRST_RING)
        version = await self._operations.create(operation)
        while version is None:
            found = await self._operations.read(name)
            if found is None:  # It has ended between the two requests.
                version = await self._operations.create(operation)
            elif found.operation.id == operation.id:  # Our write's answer was lost.
                version = found.version
            elif found.operation.state in ("succeeded", "failed"):
                await self._operations.put_away(found.operation)
                version = await self._operations.create(operation)
            elif not _has_content(found, asked):
                return await self._beside_another(call, asked)
            else:
                again = _again(found, call)
                if again.operation.is_told or await self._tell(found):
                    return again
        try:
            answer = await self._claims.accept(call, asked.operation, asked.plan, asked.content)
        except Problem:
            await self._withdraw(operation, version)
            raise
        if answer:
            await self._withdraw(operation, version)
            return answer.replayed()
        telemetry.count_accepted(operation.operation, call.caller_id)
        return Accepted(operation, new=True)

    def _new(self, call: Call, asked: Keyed, request: AcceptedRequest) -> AcceptedOperation:
        now = datetime.fromtimestamp(self._clock(), UTC)
        return AcceptedOperation(
            id=new_id(asked.operation.record_name(), secrets.token_hex(8)),
            token=secrets.token_urlsafe(TOKEN_BYTES),
            operation=asked.operation.operation,
            customer_id=call.customer_id,
            key=asked.operation.key,
            fingerprint=fingerprint(asked.content),
            caller_id=call.caller_id,
            correlation_id=call.correlation_id,
            order=call.order,
            request=request,
            accepted_at=now,
            since=now,
            changed_at=now,
        )

    async def _beside_another(self, call: Call, asked: Keyed) -> Answer:
        """The stored answer for a request whose key has an open operation of other content.

        The record of the key says which of the two contents it belongs to. If it is this request's,
        the other operation is about to be withdrawn; Problem `operation_in_progress` is raised
        until it is. Raises Problem `idempotency_key_reused` if the key is not this request's.
        """
        answer = await self._claims.look(call, asked.operation, asked.content)
        if answer is None:
            raise in_progress(1)
        return answer.replayed()

    async def _tell(self, found: Versioned) -> bool:
        """Note that a repetition of the request gets the operation's addresses.

        False where the record was changed meanwhile. The note is a change of the record, so the
        call that accepted the operation cannot withdraw it any more.
        """
        told = found.operation.told()
        return await self._operations.replace(told, found.version) is not None

    async def _withdraw(self, operation: AcceptedOperation, version: str) -> None:
        """Take back an operation that nobody was told of.

        Raises Problem `operation_in_progress` if a repetition was told of it, or somebody works on
        it already: then only its own record will say what became of it.
        """
        if not await self._operations.delete(operation, version):
            raise in_progress(1)


def _has_content(found: Versioned, asked: Keyed) -> bool:
    fingerprint = found.operation.fingerprint
    return fingerprint_like(fingerprint, asked.content) == fingerprint


def _again(found: Versioned, call: Call) -> Accepted:
    """The operation that an earlier delivery has made, to whoever may have its addresses.

    Raises Problem `operation_in_progress` for another known caller, as the synchronous call does
    while the same request is worked on.
    """
    operation = found.operation
    callers = (call.caller_id, operation.caller_id)
    known = all(each and not each.startswith(OF_A_KEY) for each in callers)
    if known and call.caller_id != operation.caller_id:
        raise in_progress(10)
    return Accepted(operation, new=False)
