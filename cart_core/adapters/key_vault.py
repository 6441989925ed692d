"""Secrets in Azure Key Vault: the one module that knows azure-keyvault-secrets."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from cart_core.adapters.http_sessions import OpenSession, open_session, transport
from cart_core.tokens import TokenFailure

if TYPE_CHECKING:
    from azure.core.exceptions import HttpResponseError
    from azure.keyvault.secrets import SecretClient, SecretProperties


_ISSUED: Final = "issued"
"""The tag that says when a refresh token was issued, in ISO 8601."""


class KeyVault:
    """The vault at `url`, which the setting called `setting` names.

    `identity` gives tokens as azure-core asks for them. Every method blocks, and raises
    TokenFailure.
    """

    def __init__(
        self,
        url: str,
        identity: Any,
        *,
        setting: str = "KEY_VAULT_URL",
        new_session: OpenSession = open_session,
    ) -> None:
        self._url = url
        self._identity = identity
        self._setting = setting
        self._new_session = new_session

    def read(self, names: Iterable[str]) -> dict[str, str]:
        """The current versions of secrets."""
        with self._open() as vault:
            return {name: self._read(vault, name) for name in names}

    def issued(self, name: str) -> datetime:
        """When the current version of a refresh token was issued."""
        with self._open() as vault, self._failures(name):
            return _issued(vault.get_secret(name).properties)

    def write(self, name: str, value: str, issued: datetime, expires: datetime) -> None:
        """Add a version, which is then the current one."""
        tags = {_ISSUED: issued.isoformat(timespec="seconds")}
        with self._open() as vault, self._failures(name):
            vault.set_secret(name, value, tags=tags, expires_on=expires)

    def disable_older(self, name: str, kept: int) -> None:
        """Disable all versions but the current one and the newest older ones up to `kept` in all.

        One that is no older than the current one is another instance's, and may be the current one
        by now.
        """
        with self._open() as vault, self._failures(name):
            current = _created(vault.get_secret(name).properties)
            older = [
                version
                for version in vault.list_properties_of_secret_versions(name)
                if version.enabled and _created(version) < current
            ]
            for version in sorted(older, key=_created, reverse=True)[kept - 1 :]:
                vault.update_secret_properties(name, version.version, enabled=False)

    def _read(self, vault: "SecretClient", name: str) -> str:
        with self._failures(name):
            value = vault.get_secret(name).value
        if not value or not value.strip():
            raise TokenFailure("secret_missing", f"The secret {name} in the vault is empty.")
        return value.strip()

    @contextmanager
    def _open(self) -> "Iterator[SecretClient]":
        from azure.keyvault.secrets import SecretClient

        with self._new_session() as session:
            yield SecretClient(
                self._url, self._identity, transport=transport(session), retry_total=0
            )

    @contextmanager
    def _failures(self, name: str) -> Iterator[None]:
        """Whatever goes wrong with a secret becomes TokenFailure."""
        from azure.core.exceptions import HttpResponseError

        try:
            yield
        except TokenFailure:
            raise
        except HttpResponseError as error:
            raise self._explained(name, error) from None
        except Exception as error:
            raise TokenFailure(
                "vault_unavailable",
                f"The vault in {self._setting} did not answer ({type(error).__name__}); try again.",
            ) from None

    def _explained(self, name: str, error: "HttpResponseError") -> TokenFailure:
        status = error.status_code
        inner = getattr(error.error, "innererror", None)
        reason = inner.get("code") if isinstance(inner, dict) else None
        if status == 404:
            return TokenFailure("secret_missing", f"There is no secret {name} in the vault.")
        if reason == "SecretDisabled":
            return TokenFailure("secret_missing", f"The secret {name} in the vault is disabled.")
        if status in (401, 403):
            return TokenFailure(
                "vault_denied",
                f"The vault in {self._setting} refuses the secret {name} (HTTP {status}): check "
                "that the managed identity may read secrets (and write the refresh token) and that "
                "the vault's network rules let it in.",
            )
        answer = f"HTTP {status}" if status else type(error).__name__
        return TokenFailure(
            "vault_unavailable",
            f"The vault in {self._setting} gave no usable answer ({answer}); try again later.",
        )


def _issued(version: "SecretProperties") -> datetime:
    """What the tag says, where it is a moment; a person's version has none."""
    try:
        issued = datetime.fromisoformat((version.tags or {}).get(_ISSUED, ""))
    except ValueError:
        return _created(version)
    return issued if issued.tzinfo else _created(version)


def _created(version: "SecretProperties") -> datetime:
    return version.created_on or datetime.min.replace(tzinfo=UTC)
