"""The function app's user-assigned managed identity: the only module that uses azure-identity."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cart_core.adapters.http_sessions import (
    OpenSession,
    azure_transport,
    import_first,
    open_session,
)
from cart_core.partner_center.pauses import DEFAULT_PAUSE, asked_pause
from cart_core.tokens import AccessToken, RequestedPause, TokenFailure

if TYPE_CHECKING:
    import requests
    from azure.core.credentials import AccessTokenInfo, TokenRequestOptions


class ManagedIdentity:
    """Tokens for the identity `client_id`: for storage, for the vault, and as client assertion.

    Every failure is a TokenFailure, so that callers do not take it for a failure of the vault or
    of Entra. While a pause lasts that the endpoint has asked for, nothing is asked of it.
    """

    def __init__(
        self,
        client_id: str,
        *,
        clock: Callable[[], float] = time.time,
        new_session: OpenSession = open_session,
    ) -> None:
        import_first("azure.identity")
        self._client_id = client_id
        self._clock = clock
        self._new_session = new_session
        self._pause = RequestedPause(clock)

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

        answers: list[requests.Response] = []

        def note(answer: "requests.Response", **_: Any) -> None:
            answers.append(answer)  # azure-identity tells neither its status nor its headers.

        with self._pause.observed():
            try:
                with self._new_session() as session:
                    session.hooks["response"].append(note)
                    token: AccessTokenInfo = ManagedIdentityCredential(
                        client_id=self._client_id, transport=azure_transport(session), retry_total=0
                    ).get_token_info(*scopes, options=options)
            except Exception as error:
                raise self._failure_for(error, answers[-1] if answers else None) from None
        return token

    def _failure_for(self, error: Exception, answer: "requests.Response | None") -> TokenFailure:
        """What went wrong, by the statuses of Azure's page "How to use managed identities".

        A 4xx says that the request is wrong, but for 404 and 410 while the endpoint is updated, and
        for 408 and 429.
        """
        if answer is None:
            gives, advice = f"no answer ({type(error).__name__})", "try again"
        elif answer.status_code == 429:
            gives, advice = "no token, because it was asked too often", "try again later"
        elif 400 <= answer.status_code < 500 and answer.status_code not in (404, 408, 410):
            gives = f"no token (HTTP {answer.status_code})"
            advice = "check that the identity in AZURE_CLIENT_ID is assigned to this function app"
        else:
            gives, advice = f"no usable answer (HTTP {answer.status_code})", "try again later"
        pause = asked_pause(answer.headers, None, self._clock()) if answer is not None else None
        if answer is not None and answer.status_code == 429:
            pause = pause or DEFAULT_PAUSE
        return TokenFailure(
            "managed_identity_unavailable",
            f"The endpoint of the managed identity gives {gives}: {advice}.",
            retry_after=pause,
        )
