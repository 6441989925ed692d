"""An endpoint: the way from a request through its command and its use case to a response."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from cart_core.api.accepted import wants_asynchrony
from cart_core.api.messages import Invocation, Request, Response
from cart_core.api.parameters import valid_guid
from cart_core.api.responses import answer_response
from cart_core.call import Answer, Call
from cart_core.idempotency.plan import Keyed

Command = TypeVar("Command")

Accept = Callable[[Request, Invocation, Call, Keyed], Awaitable[Response]]
"""Accepts a request, to be worked off later. Raises Problem."""


@dataclass(frozen=True, slots=True)
class Endpoint(Generic[Command]):
    """One route that leads to Partner Center.

    `open_call` makes the call's context, `read` the command, `run` is the use case. `require`
    raises Problem if the operator has not allowed the use case; it is called before the request is
    read. `cart_id_member` is the member of the answer that holds the cart's id, for a route without
    one in its path. A use case that can be accepted now and worked off later has `keyed`, which
    says what a command asks for under its key, and `accept`; `admit` raises Problem if it must not
    be accepted now. Calling an endpoint raises Problem.
    """

    open_call: Callable[[Request, Invocation], Call]
    read: Callable[[Request, Call], Command]
    run: Callable[[Call, Command], Awaitable[Answer]]
    require: Callable[[], None] = lambda: None
    cart_id_member: str | None = None
    keyed: Callable[[Call, Command], Keyed] | None = None
    accept: Accept | None = None
    admit: Callable[[Call, Command], Awaitable[None]] | None = None

    async def __call__(self, request: Request, invocation: Invocation) -> Response:
        """The response to a request."""
        self.require()
        invocation.customer_id = valid_guid(request.path.get("customerId"))
        invocation.cart_id = valid_guid(request.path.get("cartId"))
        call = self.open_call(request, invocation)
        command = self.read(request, call)
        if self.keyed and self.accept and not call.worked_off and wants_asynchrony(request):
            if self.admit:
                await self.admit(call, command)
            return await self.accept(request, invocation, call, self.keyed(call, command))
        answer = await self.run(call, command)
        if self.cart_id_member:
            invocation.cart_id = answer.body[self.cart_id_member]
        invocation.replayed = answer.replayed
        return answer_response(answer, invocation, request.headers)
