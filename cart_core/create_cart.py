"""Create a cart: validate it, send it to Partner Center once, answer with the normalised cart."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from cart_core import telemetry
from cart_core.cart_answer import NotACart, cart_path, normalise_cart
from cart_core.cart_request import CartRequest, CartRules, read_cart
from cart_core.classification import unreadable
from cart_core.deadline import Deadline
from cart_core.exactly_once import ExactlyOnce, Work
from cart_core.forwarding import Forwarding
from cart_core.http import Call, Request, Response, customer_flaws, json_body, locale
from cart_core.idempotency import OperationId, caller_id, idempotency_key
from cart_core.json_document import read_foreign_json, read_json
from cart_core.problem import FieldError, Problem
from cart_core.record import StoredAnswer
from cart_core.settings import Settings
from cart_core.tokens import AccessToken
from cart_core.upstream import NoReply, Reply

_TRACE_HEADERS = {"ms-cv": "MS-CV", "ms-serverid": "MS-ServerId"}

_NOT_IDEMPOTENT = FieldError(
    "", "not_idempotent", "Without an Idempotency-Key, a repeated request makes another cart."
)


class Carts(Protocol):
    """Partner Center's carts."""

    async def create_cart(
        self,
        customer_id: str,
        cart: Mapping[str, Any],
        *,
        token: str,
        request_id: str,
        correlation_id: str,
        locale: str,
        timeout: float,  # noqa: ASYNC109 - the caller must learn whether the request was sent
    ) -> Reply | NoReply:
        """Send one request."""


class CreateCart:
    """The operation `POST /customers/{customerId}/carts`; `monotonic` gives seconds."""

    def __init__(
        self,
        settings: Settings,
        once: ExactlyOnce,
        forwarding: Forwarding,
        carts: Carts,
        *,
        new_guid: Callable[[], str],
        monotonic: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._rules = CartRules(settings.max_quantity, settings.unknown_members)
        self._once = once
        self._forwarding = forwarding
        self._carts = carts
        self._new_guid = new_guid
        self._monotonic = monotonic

    async def __call__(self, request: Request, call: Call) -> Response:
        """The created cart (201), or the one that an earlier request with this key created.

        Raises Problem for every other end.
        """
        deadline = Deadline(call.began + self._settings.deadline_seconds, self._monotonic)
        customer = request.path.get("customerId", "").lower()
        document, flaws = read_json(json_body(request, self._settings.max_body_bytes))
        cart = read_cart(document, customer, self._rules, customer_flaws(customer) + flaws)
        call.customer_id = customer
        key = idempotency_key(request.headers)

        async def work(todo: Work) -> StoredAnswer:
            return await self._create(customer, cart, request, call, todo, deadline)

        if key is None:
            if self._settings.require_idempotency_key:
                raise Problem("idempotency_key_required", "Send an Idempotency-Key header.")
            cart = cart.warned(_NOT_IDEMPOTENT)
            return _response(await work(Work(self._new_guid(), resumed=False)), call)
        operation = OperationId(
            "create_cart", customer, caller_id(request.headers, self._settings.callers_known), key
        )
        answer, call.replayed = await self._once.run(
            operation, cart.body, "cart", call.correlation_id, deadline, work
        )
        return _response(answer, call)

    async def _create(
        self,
        customer: str,
        cart: CartRequest,
        request: Request,
        call: Call,
        todo: Work,
        deadline: Deadline,
    ) -> StoredAnswer:
        call.request_id = todo.request_id

        async def send(token: AccessToken, seconds: float) -> Reply | NoReply:
            call.tries += 1
            began = self._monotonic()
            with telemetry.span("partner_center.create_cart", attempt=call.tries):
                result = await self._carts.create_cart(
                    customer,
                    cart.body,
                    token=token.value,
                    request_id=todo.request_id,
                    correlation_id=call.correlation_id,
                    locale=locale(request.headers, self._settings.locale),
                    timeout=seconds,
                )
            status = result.status if isinstance(result, Reply) else None
            telemetry.count_try(call.tries, self._monotonic() - began, status)
            call.partner_center_headers = _trace_headers(result)
            return result

        def read(reply: Reply) -> dict[str, Any]:
            try:
                document = read_foreign_json(reply.body.decode("utf-8-sig"))
                return normalise_cart(document, customer, cart.warnings)
            except (ValueError, NotACart):
                raise unreadable(reply.status) from None

        body = await self._forwarding.run(customer, send, read, deadline, resumed=todo.resumed)
        headers = {
            "Location": cart_path(customer, body["id"]),
            "MS-RequestId": todo.request_id,
            **call.partner_center_headers,
        }
        # Not validated: it is ours already.
        return StoredAnswer.model_construct(status=201, headers=headers, body=body)


def _trace_headers(result: Reply | NoReply) -> dict[str, str]:
    """Partner Center's own ids, for its support; a value that no header may carry is left out."""
    if isinstance(result, NoReply):
        return {}
    values = {name: result.headers.get(wire, "") for wire, name in _TRACE_HEADERS.items()}
    return {name: value for name, value in values.items() if re.fullmatch(r"[!-~]{1,256}", value)}


def _response(answer: StoredAnswer, call: Call) -> Response:
    call.cart_id = answer.body.get("id")
    call.request_id = answer.headers.get("MS-RequestId")
    headers = answer.headers | {"MS-CorrelationId": call.correlation_id}
    if call.replayed:
        headers["Idempotent-Replayed"] = "true"
    return Response(answer.status, answer.body, headers)
