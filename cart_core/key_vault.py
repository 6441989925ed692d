"""Secrets in Azure Key Vault: the one module that knows azure-keyvault-secrets."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from cart_core.sdk_session import OpenSession, open_session, transport
from cart_core.tokens import TokenFailure

if TYPE_CHECKING:
    from azure.core.exceptions import HttpResponseError
    from azure.keyvault.secrets import SecretClient


class KeyVault:
    """The vault at `url`. `identity` gives tokens as azure-core asks for them."""

    def __init__(self, url: str, identity: Any, *, new_session: OpenSession = open_session) -> None:
        self._url = url
        self._identity = identity
        self._new_session = new_session

    def read(self, names: Iterable[str]) -> dict[str, str]:
        """The current versions of secrets. Blocks. Raises TokenFailure."""
        from azure.keyvault.secrets import SecretClient

        with self._new_session() as session:
            vault = SecretClient(
                self._url, self._identity, transport=transport(session), retry_total=0
            )
            return {name: _read(vault, name) for name in names}


def _read(vault: "SecretClient", name: str) -> str:
    from azure.core.exceptions import HttpResponseError

    try:
        value = vault.get_secret(name).value
    except TokenFailure:
        raise
    except HttpResponseError as error:
        raise _failure(name, error) from None
    except Exception as error:
        raise TokenFailure(
            "vault_unavailable",
            f"The vault in KEY_VAULT_URL did not answer ({type(error).__name__}); try again.",
        ) from None
    if not value or not value.strip():
        raise TokenFailure("secret_missing", f"The secret {name} in the vault is empty.")
    return value.strip()


def _failure(name: str, error: "HttpResponseError") -> TokenFailure:
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
            f"The vault in KEY_VAULT_URL refuses the secret {name} (HTTP {status}): check that the "
            "managed identity may read secrets and that the vault's network rules let it in.",
        )
    answer = f"HTTP {status}" if status else type(error).__name__
    return TokenFailure(
        "vault_unavailable",
        f"The vault in KEY_VAULT_URL gave no usable answer ({answer}); try again later.",
    )
