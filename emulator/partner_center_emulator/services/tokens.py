"""Issues the local cloud's JSON Web Tokens, and knows which of them are valid."""

import time
import uuid
from collections.abc import Mapping
from functools import cache
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa

KEY_ID = "local-cloud"


@cache
def signing_key() -> rsa.RSAPrivateKey:
    """The key that signs all tokens: RSA keys are slow to make, so each process has one."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Tokens:
    """Signs tokens and remembers them. Any other token is invalid, and so is a revoked one."""

    def __init__(self) -> None:
        self._issued: dict[str, dict[str, Any]] = {}

    def issue(self, lifetime: int, **claims: Any) -> str:
        """A signed token with these claims, valid from now on for `lifetime` seconds."""
        now = int(time.time())
        claims |= {"iat": now, "nbf": now, "exp": now + lifetime, "uti": uuid.uuid4().hex}
        token = jwt.encode(claims, signing_key(), "RS256", {"kid": KEY_ID})
        self._issued[token] = claims
        return token

    def claims(self, token: str) -> Mapping[str, Any] | None:
        """The claims of a token, or None for one that is unknown, revoked or expired."""
        claims = self._issued.get(token)
        return claims if claims and claims["exp"] > time.time() else None

    def claims_of_bearer(self, request: web.Request) -> Mapping[str, Any] | None:
        """The claims of the request's bearer token, or None where it has no valid one."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        return self.claims(token) if scheme.lower() == "bearer" else None

    def revoke_all(self) -> None:
        """Makes every token issued so far invalid."""
        self._issued.clear()

    def public_keys(self) -> dict[str, Any]:
        """The JSON Web Key Set that verifies the tokens."""
        key = jwt.algorithms.RSAAlgorithm.to_jwk(signing_key().public_key(), as_dict=True)
        return {"keys": [{**key, "kid": KEY_ID, "use": "sig"}]}
