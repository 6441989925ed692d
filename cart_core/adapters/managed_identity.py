"""The function app's user-assigned managed identity: the only module that uses azure-identity."""

from typing import TYPE_CHECKING

from cart_core.adapters.http_sessions import OpenSession, azure_transport, open_session
from cart_core.tokens import AccessToken, TokenFailure

if TYPE_CHECKING:
    from azure.core.credentials import AccessTokenInfo, TokenRequestOptions


class ManagedIdentity:
    """Tokens for the identity `client_id`: for storage, for the vault, and as client assertion.

    Every failure is a TokenFailure, so that callers do not take it for a failure of the vault or
    of Entra.
    """

    def __init__(self, client_id: str, *, new_session: OpenSession = open_session) -> None:
        self._client_id = client_id
        self._new_session = new_session

    def fetch(self, resource: str) -> AccessToken:
        """A new token for `resource` (such as `https://storage.azure.com`).

        It blocks. Raises TokenFailure.
        """
        token = self.get_token_info(f"{resource}/.default")
        return AccessToken(token.token, token.expires_on)

    def get_token_info(
        self, *scopes: str, options: "TokenRequestOptions | None" = None
    ) -> "AccessTokenInfo":
        """A new token in the form that Azure's SDKs ask for (azure.core's SupportsTokenInfo)."""
        from azure.identity import ManagedIdentityCredential

        try:
            with self._new_session() as session:
                token: AccessTokenInfo = ManagedIdentityCredential(
                    client_id=self._client_id, transport=azure_transport(session), retry_total=0
                ).get_token_info(*scopes, options=options)
        except Exception as error:
            raise TokenFailure(
                "managed_identity_unavailable",
                f"The managed identity gave no token ({type(error).__name__}): check that the "
                "identity in AZURE_CLIENT_ID is assigned to this function app.",
            ) from None
        return token
