"""Who calls, and whether they may: the one place that decides it, for every route.

There are two modes. With function keys (the default) the platform has admitted the caller by its
key before this code runs, and this code only notes whose key it was. With Microsoft Entra ID, App
Service authentication has checked a token before, and puts what it knows into headers that no
caller can set then; the roles are for the app to check (Microsoft's "Work with user identities in
Azure App Service authentication"). Where mode and platform disagree, those headers prove nothing.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

from cart_core.problem import Problem

Role = Literal["Carts.Read", "Carts.Write", "Orders.Buy", "Operations.Manage"]

ROUTES: Final[Mapping[str, Role | None]] = {
    "create_cart": "Carts.Write",
    "get_cart": "Carts.Read",
    "update_cart": "Carts.Write",
    "checkout_cart": "Orders.Buy",
    "place_order": "Orders.Buy",
    "preflight_cart": "Carts.Read",
    "find_customers": "Carts.Read",
    "get_customer": "Carts.Read",
    "search_products": "Carts.Read",
    "list_offers": "Carts.Read",
    "get_accepted": None,
    "get_accepted_result": None,
    "list_operations": "Operations.Manage",
    "replay_operation": "Operations.Manage",
    "discard_operation": "Operations.Manage",
    "get_storefront_order": "Operations.Manage",
    "list_parked_orders": "Operations.Manage",
    "release_parked_order": "Operations.Manage",
    "discard_parked_order": "Operations.Manage",
    "receive_webhook": None,
    "get_openapi": "Carts.Read",
    "get_ready": "Operations.Manage",
    "get_health": None,
}
"""The role that each operation needs. None: everybody may, and no header about a caller is read.

The addresses of an accepted operation hold a token of their own, and a webhook has a signature.
"""

_APPLICATION: Final = ("azp", "appid")
_OBJECT: Final = ("oid", "http://schemas.microsoft.com/identity/claims/objectidentifier")
_ROLES: Final = ("roles", "http://schemas.microsoft.com/ws/2008/06/identity/claims/role")
"""Claims by their names in a token, and as App Service may rename them."""


@dataclass(frozen=True, slots=True)
class Gate:
    """How callers are admitted in this deployment.

    `entra` is the mode. `signs_in` is whether the platform checks tokens. `salt` belongs to the
    deployment, so that a key has another fingerprint in each.
    """

    entra: bool
    signs_in: bool
    salt: str

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """The gate that these variables describe; any mode but `keys` is the stricter one."""
        return cls(
            entra=(environment.get("CART_CALLERS") or "keys") != "keys",
            signs_in=environment.get("WEBSITE_AUTH_ENABLED", "").lower() in ("true", "1"),
            salt=environment.get("WEBSITE_SITE_NAME", ""),
        )

    @property
    def replaces_keys(self) -> bool:
        """Whether the platform may admit requests without a key, since their tokens are checked."""
        return self.entra and self.signs_in

    def caller(self, operation: str, headers: Mapping[str, str]) -> str | None:
        """Who calls an operation; None if everybody may, or if nothing says who it is.

        With Entra it is the id of the application that asked for the token, else that of the user.
        With keys it is `key:` and the fingerprint of the key. It names a caller in logs and
        records, and decides nothing: a caller that is not admitted has a name too.
        """
        if ROUTES[operation] is None:
            return None
        if not self.entra:
            return self._key(headers)
        return _application(_principal(headers)) if self.signs_in else None

    def require_role(self, operation: str, headers: Mapping[str, str]) -> None:
        """Raises Problem `caller_unknown`, `role_missing` or `configuration_invalid`."""
        role = ROUTES[operation]
        if role is None:
            return
        if self.entra or role == "Orders.Buy":
            self.require_agreement()
        if self.entra:
            _require(role, _principal(headers))

    def require_agreement(self) -> None:
        """Raises Problem `configuration_invalid` where mode and platform disagree."""
        if self.entra != self.signs_in:
            raise Problem(
                "configuration_invalid",
                "CART_CALLERS and the authentication of the site (WEBSITE_AUTH_ENABLED) disagree,"
                " so nobody can say who calls. Deploy the infrastructure again.",
            )

    def _key(self, headers: Mapping[str, str]) -> str | None:
        key = headers.get("x-functions-key")
        if not key:
            return None
        return "key:" + hmac.new(self.salt.encode(), key.encode(), hashlib.sha256).hexdigest()[:12]


def _require(role: Role, claims: Mapping[str, list[str]]) -> None:
    caller = _application(claims)
    if not caller:
        raise Problem("caller_unknown", "Send a token of Microsoft Entra ID for this function.")
    if not any(role in claims.get(name, ()) for name in _ROLES):
        raise Problem(
            "role_missing",
            f"The caller {caller} needs the role {role}. An administrator assigns it in"
            " Microsoft Entra ID; the next token has it.",
        )


def _application(claims: Mapping[str, list[str]]) -> str | None:
    """The application that asked for the token, else the user."""
    return _first(claims, _APPLICATION) or _first(claims, _OBJECT)


def _principal(headers: Mapping[str, str]) -> dict[str, list[str]]:
    """The values of each claim in X-MS-CLIENT-PRINCIPAL; none if it cannot be read."""
    header = headers.get("x-ms-client-principal", "")
    try:
        document: Any = json.loads(base64.b64decode(header, validate=True))
        found: dict[str, list[str]] = {}
        for claim in document["claims"]:
            found.setdefault(claim["typ"], []).append(claim["val"])
    except (binascii.Error, ValueError, KeyError, TypeError):
        return {}
    return found


def _first(claims: Mapping[str, list[str]], names: tuple[str, ...]) -> str | None:
    return next((claims[name][0] for name in names if claims.get(name)), None)
