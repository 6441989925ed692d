"""The log has our own words: no library repeats there what another party has answered."""

import logging
from collections.abc import Callable, Iterator

import pytest
import requests

from cart_core import composition
from cart_core.adapters.key_vault import KeyVault
from cart_core.adapters.managed_identity import ManagedIdentity
from tests.unit.adapters.services import Reply, Service, failure_of


@pytest.fixture(autouse=True)
def _log_levels() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in ("cart_core", *composition.SILENT_LIBRARIES)]
    levels = [logger.level for logger in loggers]
    composition._set_log_levels()
    yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


class Planting(Service):
    """Every service, which answers every request with words of its own."""

    def __init__(self, status: int) -> None:
        super().__init__()
        self.status = status

    def answer(self, request: requests.PreparedRequest) -> Reply:
        words = "planted: the identity of megan@a-customer.example"
        document = {"statusCode": words, "message": words, "error": {"code": words}}
        return self.status, document, {"X-Words": words, "WWW-Authenticate": f'Bearer a="{words}"'}


ASKED: dict[str, Callable[[Planting], object]] = {
    "identity": lambda service: ManagedIdentity("id", new_session=service.session).fetch("r"),
    "vault": lambda service: KeyVault(
        "https://kv.example",
        ManagedIdentity("id", new_session=service.session),
        new_session=service.session,
    ).read(["name"]),
}


@pytest.mark.parametrize("status", [200, 400, 401, 403, 429, 500])
@pytest.mark.parametrize("service", ASKED)
def test_no_word_of_a_service_reaches_the_log(
    service: str,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", "http://127.0.0.1:41000/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "planted-identity-header")
    caplog.set_level(logging.DEBUG)

    failure_of(lambda: ASKED[service](Planting(status)))

    assert [record for record in caplog.records if "planted" in record.getMessage()] == []


@pytest.mark.parametrize(
    "name",
    [
        "azure.identity._internal.decorators",
        "azure.identity._internal.msal_managed_identity_client",
        "azure.core.pipeline.policies.http_logging_policy",
        "msal.oauth2cli.oauth2",
        "urllib3.connectionpool",
        "aiohttp.client",
    ],
)
def test_a_library_that_logs_answers_is_silent(name: str) -> None:
    assert not logging.getLogger(name).isEnabledFor(logging.CRITICAL)


@pytest.mark.parametrize("name", ["cart_core", "cart_core.tokens", "cart_core.adapters.entra"])
def test_our_own_lines_are_let_through(name: str) -> None:
    assert logging.getLogger(name).isEnabledFor(logging.INFO)
