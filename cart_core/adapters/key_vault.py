"""Secrets in Azure Key Vault: the only module that uses azure-keyvault-secrets."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from cart_core.adapters.http_sessions import (
    OpenSession,
    azure_transport,
    import_first,
    open_session,
)
from cart_core.partner_center.pauses import DEFAULT_PAUSE, asked_pause
from cart_core.tokens import RequestedPause, TokenFailure

if TYPE_CHECKING:
    from azure.core.exceptions import HttpResponseError
    from azure.keyvault.secrets import SecretClient, SecretProperties


_ISSUED_TAG: Final = "issued"
"""The tag that says when a refresh token was issued, in ISO 8601."""

_PASSING_CONFLICTS: Final = frozenset(
    {"ObjectIsBeingDeleted", "ObjectIsBeingRecovered", "ObjectIsBeingPurged"}
)
"""409: somebody deletes or recovers the secret, which takes some seconds."""


class KeyVault:
    """The vault at `url`, which the setting named `setting` holds.

    `identity` gives tokens in the form that azure-core asks for. Every method blocks, and raises
    TokenFailure. While a pause lasts that the vault has asked for, nothing is asked of it.
    """

    def __init__(
        self,
        url: str,
        identity: Any,
        *,
        setting: str = "KEY_VAULT_URL",
        clock: Callable[[], float] = time.time,
        new_session: OpenSession = open_session,
    ) -> None:
        import_first("azure.keyvault.secrets")
        self._url = url
        self._identity = identity
        self._setting = setting
        self._clock = clock
        self._pause = RequestedPause(clock)
        self._new_session = new_session

    def read(self, names: Iterable[str]) -> dict[str, str]:
        """The values of the current versions of secrets, without white space around them."""
        with self._open() as client:
            return {name: self._read(client, name) for name in names}

    def issued_at(self, name: str) -> datetime:
        """When the current version of a refresh token was issued."""
        with self._open() as client, self._translated_errors(name):
            return _issue_time(client.get_secret(name).properties)

    def write(self, name: str, value: str, issued: datetime, expires: datetime) -> None:
        """Add a version, which becomes the current one."""
        tags = {_ISSUED_TAG: issued.isoformat(timespec="seconds")}
        with self._open() as client, self._translated_errors(name):
            client.set_secret(name, value, tags=tags, expires_on=expires)

    def disable_older(self, name: str, keep: int) -> None:
        """Leave the newest `keep` versions enabled, the current one included; disable older ones.

        A version that is no older than the current one is never disabled: another instance wrote
        it, and it may have become the current one in the meantime.
        """
        with self._open() as client, self._translated_errors(name):
            current = _creation_time(client.get_secret(name).properties)
            older = [
                version
                for version in client.list_properties_of_secret_versions(name)
                if version.enabled and _creation_time(version) < current
            ]
            for version in sorted(older, key=_creation_time, reverse=True)[keep - 1 :]:
                client.update_secret_properties(name, version.version, enabled=False)

    def _read(self, client: "SecretClient", name: str) -> str:
        with self._translated_errors(name):
            value = client.get_secret(name).value
        if not value or not value.strip():
            raise TokenFailure("secret_missing", f"The secret {name} in the vault is empty.")
        return value.strip()

    @contextmanager
    def _open(self) -> "Iterator[SecretClient]":
        from azure.keyvault.secrets import SecretClient

        with self._pause.observed(), self._new_session() as session:
            yield SecretClient(
                self._url, self._identity, transport=azure_transport(session), retry_total=0
            )

    @contextmanager
    def _translated_errors(self, name: str) -> Iterator[None]:
        """Turns every error about the secret `name` into a TokenFailure."""
        from azure.core.exceptions import HttpResponseError

        try:
            yield
        except TokenFailure:
            raise
        except HttpResponseError as error:
            raise self._failure_for(error, name) from None
        except Exception as error:
            raise TokenFailure(
                "vault_unavailable",
                f"The vault in {self._setting} did not answer ({type(error).__name__}); try again.",
            ) from None

    def _failure_for(self, error: "HttpResponseError", name: str) -> TokenFailure:
        status, vault = error.status_code, f"The vault in {self._setting}"
        inner = getattr(error.error, "innererror", None)
        reason = inner.get("code") if isinstance(inner, dict) else None
        command = f"`az keyvault secret {{}} --name {name} --vault-name VAULT`"
        if status == 404:
            return TokenFailure(
                "secret_missing",
                f"There is no secret {name} in the vault. If it was deleted, "
                f"{command.format('recover')} brings it back.",
            )
        if reason == "ObjectIsDeletedButRecoverable":
            return TokenFailure(
                "secret_missing",
                f"The secret {name} in the vault was deleted, and nothing can be stored under its "
                f"name: {command.format('recover')} brings it back.",
            )
        if reason == "SecretDisabled":
            return TokenFailure("secret_missing", f"The secret {name} in the vault is disabled.")
        if status in (401, 403):
            return TokenFailure(
                "vault_denied",
                f"{vault} refuses the secret {name} (HTTP {status}): check that the managed "
                "identity may read secrets (and write the refresh token) and that the vault's "
                "network rules let it in.",
            )
        passes = status in (408, 429) or reason in _PASSING_CONFLICTS
        if status and 400 <= status < 500 and not passes:
            return TokenFailure(
                "vault_denied",
                f"{vault} takes a request about the secret {name} for a wrong one (HTTP {status}):"
                " compare the setting with the vault's address, and see what "
                f"{command.format('show')} says.",
            )
        answer = f"HTTP {status}" if status else type(error).__name__
        headers = getattr(error.response, "headers", {})  # requests' own: it ignores case
        pause = asked_pause(headers, None, self._clock())
        return TokenFailure(
            "vault_unavailable",
            f"{vault} gave no usable answer ({answer}); try again later.",
            retry_after=pause or (DEFAULT_PAUSE if status == 429 else None),
        )


def _issue_time(version: "SecretProperties") -> datetime:
    """The time in the tag; without a usable tag (a person wrote the version) its creation time."""
    try:
        issued = datetime.fromisoformat((version.tags or {}).get(_ISSUED_TAG, ""))
    except ValueError:
        return _creation_time(version)
    return issued if issued.tzinfo else _creation_time(version)


def _creation_time(version: "SecretProperties") -> datetime:
    return version.created_on or datetime.min.replace(tzinfo=UTC)
