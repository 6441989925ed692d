"""Requests become calls and validated commands, by the operator's settings."""

from collections.abc import Callable
from typing import TypeVar

from cart_core.api.body import json_body, unexpected_body_errors
from cart_core.api.messages import Invocation, Request
from cart_core.api.parameters import (
    cart_errors,
    correlation_errors,
    customer_errors,
    customer_user,
    idempotency_key,
    locale,
)
from cart_core.api.query import domain, flag, search, segment, sku, term, view
from cart_core.api.request_json import read_json
from cart_core.call import Call
from cart_core.cart.request import CartRequest, CartRules, read_cart
from cart_core.deadline import Deadline
from cart_core.problem import FieldError, invalid_request
from cart_core.settings import Settings
from cart_core.use_cases.check_out_cart import CheckOutCartCommand
from cart_core.use_cases.create_cart import CreateCartCommand
from cart_core.use_cases.find_customers import FindCustomersCommand
from cart_core.use_cases.get_cart import GetCartCommand
from cart_core.use_cases.get_customer import GetCustomerCommand
from cart_core.use_cases.list_offers import ListOffersCommand
from cart_core.use_cases.place_order import PlaceOrderCommand
from cart_core.use_cases.preflight_cart import PreflightCartCommand
from cart_core.use_cases.search_products import SearchProductsCommand
from cart_core.use_cases.update_cart import UpdateCartCommand

Command = TypeVar("Command")


class RequestReader:
    """Reads requests. `monotonic` gives seconds, of the clock by which invocations begin.

    Every method that gives a command raises Problem with everything that is wrong with the request.
    """

    def __init__(self, settings: Settings, *, monotonic: Callable[[], float]) -> None:
        self._settings = settings
        self._monotonic = monotonic
        limit, unknown = settings.max_quantity, settings.unknown_members
        self._create_rules = CartRules(limit, unknown or "forward")
        # A cart that is read and put back may hold members that Partner Center has added.
        self._update_rules = CartRules(limit, "forward")
        # A member that nobody has documented must not be bought by accident.
        self._order_rules = CartRules(limit, unknown or "reject")

    def call(self, request: Request, invocation: Invocation) -> Call:
        """The context of a request. Its customer id is not yet validated.

        Raises Problem `invalid_request` where the request has two correlation ids.
        """
        if errors := correlation_errors(request.headers):
            raise invalid_request(errors)
        settings = self._settings
        return Call(
            invocation.correlation_id,
            request.path.get("customerId", "").lower(),
            locale(request.headers, settings.locale),
            Deadline(invocation.began + settings.deadline_seconds, self._monotonic),
            invocation.caller,
            invocation.sent,
            invocation.worked_off,
            invocation.order,
        )

    def create_cart(self, request: Request, call: Call) -> CreateCartCommand:
        """What `POST …/carts` asks for."""
        cart = self._cart(request, call, self._create_rules)
        key = idempotency_key(request.headers)
        return CreateCartCommand(cart, key)

    def get_cart(self, request: Request, call: Call) -> GetCartCommand:
        """What `GET …/carts/{cartId}` asks for."""
        cart_id = _cart_id(request)
        if errors := customer_errors(call.customer_id) + cart_errors(cart_id):
            raise invalid_request(errors)
        return GetCartCommand(cart_id)

    def update_cart(self, request: Request, call: Call) -> UpdateCartCommand:
        """What `PUT …/carts/{cartId}` asks for."""
        cart_id = _cart_id(request)
        errors = cart_errors(cart_id)
        cart = self._cart(request, call, self._update_rules, errors, cart_id=cart_id)
        return UpdateCartCommand(cart_id, cart)

    def check_out_cart(self, request: Request, call: Call) -> CheckOutCartCommand:
        """What `POST …/carts/{cartId}/checkout` asks for."""
        cart_id = _cart_id(request)
        user, user_errors = customer_user(request.headers)
        errors = customer_errors(call.customer_id) + cart_errors(cart_id) + user_errors
        if errors := errors + unexpected_body_errors(request):
            raise invalid_request(errors)
        return CheckOutCartCommand(cart_id, user)

    def place_order(self, request: Request, call: Call) -> PlaceOrderCommand:
        """What `POST …/orders` asks for."""
        user, user_errors = customer_user(request.headers)
        preflight = flag(request.query, "preflight", user_errors)
        cart = self._cart(request, call, self._order_rules, user_errors)
        key = idempotency_key(request.headers)
        return PlaceOrderCommand(cart, key, user, preflight)

    def preflight_cart(self, request: Request, call: Call) -> PreflightCartCommand:
        """What `POST …/carts/preflight` asks for."""
        return PreflightCartCommand(self._cart(request, call, self._order_rules))

    def find_customers(self, request: Request, call: Call) -> FindCustomersCommand:
        """What `GET customers` asks for."""
        errors: list[FieldError] = []
        command = FindCustomersCommand(domain(request.query, errors), search(request.query, errors))
        if command.domain and command.search:
            errors.append(FieldError("", "invalid_parameter", "Give a domain or a search."))
        return _checked(command, errors)

    def get_customer(self, request: Request, call: Call) -> GetCustomerCommand:
        """What `GET customers/{customerId}` asks for."""
        return _checked(GetCustomerCommand(), customer_errors(call.customer_id))

    def search_products(self, request: Request, call: Call) -> SearchProductsCommand:
        """What `GET …/products` asks for."""
        query, errors = request.query, customer_errors(call.customer_id)
        command = SearchProductsCommand(
            search(query, errors), view(query, errors), segment(query, errors)
        )
        return _checked(command, errors)

    def list_offers(self, request: Request, call: Call) -> ListOffersCommand:
        """What `GET …/offers` asks for."""
        query, errors = request.query, customer_errors(call.customer_id)
        product, part = sku(query, errors)
        command = ListOffersCommand(product, part, segment(query, errors), term(query))
        return _checked(command, errors)

    def _cart(
        self,
        request: Request,
        call: Call,
        rules: CartRules,
        errors: list[FieldError] | None = None,
        *,
        cart_id: str | None = None,
    ) -> CartRequest:
        document, body_errors = read_json(json_body(request, self._settings.max_body_bytes))
        errors = customer_errors(call.customer_id) + (errors or []) + body_errors
        return read_cart(document, call.customer_id, rules, errors, cart_id=cart_id)


def _checked(command: Command, errors: list[FieldError]) -> Command:
    if errors:
        raise invalid_request(errors)
    return command


def _cart_id(request: Request) -> str:
    return request.path.get("cartId", "").lower()
