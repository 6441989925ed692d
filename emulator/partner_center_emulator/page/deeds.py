"""The actions of a cloud: what its page can make happen."""

import json
from collections.abc import Callable
from typing import Any, Protocol

from pydantic import TypeAdapter, ValidationError

from partner_center_emulator.page.panels import Action, Done, Field, PageError, Values
from partner_center_emulator.partner_center.carts import PartnerCenter
from partner_center_emulator.partner_center.refusals import RefusalError
from partner_center_emulator.services.entra import Entra
from partner_center_emulator.services.tokens import Tokens
from partner_center_emulator.watch.disturbances import Disturbance, Disturbances

TWIN = "the twin on the page"
"""The lastModifiedUser of a cart that was changed on the page."""

_WRONG = "Let something go wrong"
_CREDENTIALS = "Tokens and secrets"
_CATALOGUE = "Catalogue"
_ORDER = "Put it in order"

_REQUESTS: dict[str, tuple[str, str | None, str]] = {
    "any": ("any request", None, ""),
    "create": ("creating a cart", "POST", "/carts$"),
    "read": ("reading a cart", "GET", "/carts/[^/]+$"),
    "change": ("changing a cart", "PUT", "/carts/[^/]+$"),
    "checkout": ("a checkout", "POST", "/checkout$"),
    "orders": ("reading orders", "GET", "/orders"),
}
"""The requests to Partner Center that a disturbance can be meant for: label, method and path."""

_WHICH = Field("which", "Requests", "any", {name: row[0] for name, row in _REQUESTS.items()})
_TIMES = Field("times", "Times (0: until removed)", 1, maximum=1000)
_STATUSES = {"500": "500", "502": "502", "503": "503", "504": "504"}

_DISTURBANCES = TypeAdapter(list[Disturbance])


class Acted(Protocol):
    """The parts of a cloud that the page changes."""

    disturbances: Disturbances
    tokens: Tokens
    entra: Entra
    partner_center: PartnerCenter

    def rotate_client_secret(self, *, in_vault: bool = True) -> str:
        """Replaces the app registration's secret."""

    def sign_in(self, agent: str = "admin", *, in_vault: bool = True) -> str:
        """Lets an agent sign in and consent."""

    def reset(self) -> None:
        """Forgets carts, orders, requests and disturbances."""


def actions(cloud: Acted) -> list[Action]:
    """All of them, in the order of their buttons."""
    return [
        *_disturbances(cloud.disturbances),
        *_credentials(cloud),
        *_catalogue(cloud.partner_center),
        *_order(cloud),
        *_carts(cloud.partner_center),
    ]


def _disturbances(disturbances: Disturbances) -> list[Action]:
    def action(
        name: str, label: str, about: str, members: Callable[[Values], dict[str, Any]], *own: Field
    ) -> Action:
        async def act(values: Values) -> Done:
            _, method, path = _REQUESTS[values["which"]]
            times = int(values["times"]) or None
            meant: dict[str, Any] = {"method": method, "path": path, "times": times}
            disturbances.inject(Disturbance("partner_center", **meant, **members(values)))
            return Done(f"{label}: in force for {_REQUESTS[values['which']][0]}.")

        return Action(name, label, about, act, _WRONG, (_WHICH, *own, _TIMES))

    async def inject(values: Values) -> Done:
        text = values["disturbance"].strip()
        try:
            each = _DISTURBANCES.validate_json(text if text.startswith("[") else f"[{text}]")
        except ValidationError as invalid:
            first = invalid.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"][1:]))
            raise PageError(f"{place}: {first['msg']}".removeprefix(": ")) from None
        disturbances.inject(*each)
        return Done(f"In force: {len(each)}.")

    seconds = Field("seconds", "Seconds", 2.0)
    example = {"service": "entra", "path": "/token$", "status": 503}
    return [
        action(
            *("latency", "Latency", "The request takes effect later."),
            lambda values: {"delay": values["seconds"]},
            seconds,
        ),
        action(
            *("throttle", "429 with Retry-After", "Partner Center asks for a pause."),
            lambda values: {
                "status": 429,
                "headers": {"Retry-After": f"{values['pause']:.0f}"},
            },
            Field("pause", "Retry-After in seconds", 5),
        ),
        action(
            *("fail-before", "5xx before the effect", "The request is refused."),
            lambda values: {"status": int(values["status"])},
            Field("status", "Status", "503", _STATUSES),
        ),
        action(
            *("fail-after", "5xx after the effect", "It is done, but the answer says otherwise."),
            lambda values: {"status": int(values["status"]), "commit": True},
            Field("status", "Status", "500", _STATUSES),
        ),
        action(
            *("drop-before", "Drop the connection before the effect", "No answer, nothing done."),
            lambda _: {"action": "drop"},
        ),
        action(
            *(
                "drop-after",
                "Drop the connection after the effect",
                "Done, but the answer is lost.",
            ),
            lambda _: {"action": "drop", "commit": True},
        ),
        Action(
            *("disturb", "Any disturbance", "As JSON; README.md describes every member."),
            inject,
            _WRONG,
            (Field("disturbance", "Disturbance", json.dumps(example, indent=1), long=True),),
        ),
    ]


def _credentials(cloud: Acted) -> list[Action]:
    in_vault = Field("in_vault", "Key Vault gets the new one too", True)

    async def revoke_tokens(values: Values) -> Done:
        cloud.tokens.revoke_all()
        return Done("All access tokens issued so far are refused.")

    async def revoke_consent(values: Values) -> Done:
        cloud.entra.refresh_tokens.update(dict.fromkeys(cloud.entra.refresh_tokens, 50173))
        return Done("All refresh tokens issued so far are refused (AADSTS50173).")

    async def sign_in(values: Values) -> Done:
        cloud.sign_in(in_vault=values["in_vault"])
        return Done("An agent signed in and consented: there is a new refresh token.")

    async def rotate_secret(values: Values) -> Done:
        cloud.rotate_client_secret(in_vault=values["in_vault"])
        return Done("The app registration has a new client secret; the old one is refused.")

    return [
        Action(
            *("revoke-tokens", "Revoke the access tokens", "The next call is answered 401."),
            *(revoke_tokens, _CREDENTIALS),
        ),
        Action(
            *("revoke-consent", "Revoke the consent", "Entra refuses all refresh tokens."),
            *(revoke_consent, _CREDENTIALS),
        ),
        Action(
            *("sign-in", "Sign in and consent", "There is a new refresh token."),
            *(sign_in, _CREDENTIALS, (in_vault,)),
        ),
        Action(
            *("rotate-secret", "Rotate the client secret", "Entra refuses the old one."),
            *(rotate_secret, _CREDENTIALS, (in_vault,)),
        ),
    ]


def _catalogue(partner_center: PartnerCenter) -> list[Action]:
    async def rotate(values: Values) -> Done:
        try:
            partner_center.shelf.rotate(values.get("sku"))
        except RefusalError as refusal:
            raise PageError(refusal.description) from None
        return Done(f"There are new availabilities of {values.get('sku', 'every SKU')}.")

    about = "Carts and checkouts with the old ids are refused (400019)."
    return [
        Action("rotate-availabilities", "Rotate all availabilities", about, rotate, _CATALOGUE),
        Action("rotate-availability", "Rotate", about, rotate),
    ]


def _order(cloud: Acted) -> list[Action]:
    async def clear(values: Values) -> Done:
        cloud.disturbances.clear()
        return Done("No disturbance is in force.")

    async def reset(values: Values) -> Done:
        cloud.reset()
        return Done("Carts, orders, requests and disturbances are forgotten.")

    async def pending(values: Values) -> Done:
        cloud.partner_center.pending_seconds = values["seconds"]
        return Done(f"New orders are pending for {values['seconds']:g} s.")

    return [
        Action(
            *("pending", "Orders stay pending", "A subscription has its id only afterwards."),
            *(pending, _ORDER, (Field("seconds", "Seconds", 5.0),)),
        ),
        Action(
            *("clear", "Remove the disturbances", "Everything works as it should again."),
            *(clear, _ORDER),
        ),
        Action(
            *("reset", "Forget everything", "Carts, orders, requests and disturbances."),
            *(reset, _ORDER),
        ),
    ]


def _carts(partner_center: PartnerCenter) -> list[Action]:
    """What is done to one cart, as if somebody else did it."""

    def action(name: str, label: str, act: Callable[[str], str]) -> Action:
        async def carry_out(values: Values) -> Done:
            try:
                return Done(act(str(values.get("cart"))))
            except RefusalError as refusal:
                raise PageError(refusal.description) from None

        return Action(name, label, label, carry_out)

    def expire(cart_id: str) -> str:
        partner_center.expire(cart_id)
        return f"The cart {cart_id} has expired."

    def change(cart_id: str) -> str:
        stored = partner_center.stored(cart_id)
        first, *others = stored.document["lineItems"]
        lines = [first | {"quantity": first["quantity"] + 1}, *others]
        content = json.dumps({"lineItems": lines}).encode()
        partner_center.update(stored, content, TWIN)
        return f"The first line of the cart {cart_id} has one more."

    def check_out(cart_id: str) -> str:
        partner_center.check_out(cart_id)
        return f"The cart {cart_id} was checked out."

    return [
        action("expire-cart", "Expire", expire),
        action("change-cart", "Change as a twin", change),
        action("check-out-cart", "Check out as a twin", check_out),
    ]
