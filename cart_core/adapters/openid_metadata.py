"""What the public OpenID metadata of Microsoft Entra ID says of a domain, or of a tenant.

The metadata of a domain is that of its tenant, and its issuer holds the tenant's id. It needs no
token. A domain that no tenant has verified is answered 400, with AADSTS90002.
"""

import asyncio
import re
from urllib.parse import quote

from cart_core.adapters.http_sessions import (
    CONNECT_TIMEOUT,
    READ_TIMEOUT,
    OpenSession,
    open_session,
)
from cart_core.problem import Problem

_ISSUER = re.compile(r"/([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})/")
_NO_TENANT = re.compile(r"AADSTS90002\b")


class _Unreadable(Exception):
    """The metadata cannot be read; the text follows the name of the service."""


class OpenIdMetadata:
    """Reads metadata from an authority such as `https://login.microsoftonline.com`."""

    def __init__(self, authority: str, open_session: OpenSession = open_session) -> None:
        self._authority = authority
        self._open_session = open_session

    async def tenant_of(self, domain: str) -> str | None:
        """The id of the domain's tenant in lower case; None if no tenant has verified it.

        Raises Problem `token_unavailable` where the metadata cannot be read.
        """
        try:
            return await asyncio.to_thread(self._tenant_of, domain)
        except _Unreadable as unreadable:
            raise Problem(
                "token_unavailable",
                f"Microsoft Entra ID {unreadable} when it was asked for the tenant of the domain."
                " Whether it is a customer's is not known.",
            ) from None

    async def require_tenant(self, tenant_id: str) -> None:
        """Raises Problem if there is no such tenant, or if Microsoft Entra ID does not say so."""
        try:
            found = await asyncio.to_thread(self._tenant_of, tenant_id)
        except _Unreadable as unreadable:
            raise Problem(
                "token_unavailable", f"Microsoft Entra ID {unreadable}; try again later."
            ) from None
        if found is None:
            raise Problem(
                "token_rejected",
                "Microsoft Entra ID has no such tenant: check PARTNER_CENTER_TENANT_ID and"
                " PARTNER_CENTER_CLOUD.",
            )

    def _tenant_of(self, domain: str) -> str | None:
        """Raises _Unreadable."""
        import requests

        name = quote(domain, safe="")
        url = f"{self._authority}/{name}/v2.0/.well-known/openid-configuration"
        try:
            with self._open_session() as session:
                response = session.get(
                    url, timeout=(CONNECT_TIMEOUT, READ_TIMEOUT), allow_redirects=False
                )
                status, text = response.status_code, response.text
                issuer = response.json().get("issuer") if status == requests.codes.ok else None
        except (requests.RequestException, ValueError, AttributeError):
            raise _Unreadable("gave no answer that can be read") from None
        if status in (400, 404) and _NO_TENANT.search(text):
            return None
        found = _ISSUER.search(f"{issuer}/")
        if not found:
            raise _Unreadable(f"answered {status}")
        return found[1].lower()
