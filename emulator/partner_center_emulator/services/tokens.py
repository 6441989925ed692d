"""Issues the local cloud's JWTs and knows which of them are good."""

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
    """The key behind every token: one a process, because RSA keys are slow to make."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Tokens:
    """Signs tokens and remembers them; a token that it never issued, or took back, is worthless."""

    def __init__(self) -> None:
        self._issued: dict[str, dict[str, Any]] = {}

    def issue(self, lifetime: int, **claims: Any) -> str:
        """A signed token with `claims`, valid from now on for `lifetime` seconds."""
        now = int(time.time())
        claims |= {"iat": now, "nbf": now, "exp": now + lifetime, "uti": uuid.uuid4().hex}
        token = jwt.encode(claims, signing_key(), "RS256", {"kid": KEY_ID})
        self._issued[token] = claims
        return token

    def claims(self, token: str) -> Mapping[str, Any] | None:
        """What a token says, or None where it is unknown, revoked or expired."""
        claims = self._issued.get(token)
        return claims if claims and claims["exp"] > time.time() else None

    def claims_of_bearer(self, request: web.Request) -> Mapping[str, Any] | None:
        """What the request's bearer token says, or None where there is no good one."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        return self.claims(token) if scheme.lower() == "bearer" else None

    def revoke_all(self) -> None:
        """Makes every token issued so far worthless."""
        self._issued.clear()

    def public_keys(self) -> dict[str, Any]:
        """The JSON Web Key Set that verifies the tokens."""
        key = jwt.algorithms.RSAAlgorithm.to_jwk(signing_key().public_key(), as_dict=True)
        return {"keys": [{**key, "kid": KEY_ID, "use": "sig"}]}
