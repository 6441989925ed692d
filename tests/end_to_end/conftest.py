"""One chain with the default settings for all tests, and new ones for those that need others."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.end_to_end.chain import (
    Chain,
    app_that_fails,
    app_with_tries,
    started,
)


@pytest.fixture(scope="session")
def _default_chain() -> Iterator[Chain]:
    with started() as chain:
        yield chain


@pytest.fixture
def chain(_default_chain: Chain) -> Chain:
    """The shared chain, warm (it holds a token) and with an empty cloud."""
    return _warm(_default_chain)


@pytest.fixture(scope="session")
def _buying_chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    app = app_with_tries(tmp_path_factory.mktemp("buying"))
    with started(app, CART_ALLOW_CHECKOUT="true", CART_MAX_WAIT_SECONDS="0") as chain:
        yield chain


@pytest.fixture
def buying(_buying_chain: Chain) -> Chain:
    """The shared chain that may buy, tries twice at most and waits for no Retry-After."""
    partner_center = _buying_chain.cloud.partner_center
    partner_center.repeat_checkout = partner_center.deduplicate = True
    return _warm(_buying_chain)


@pytest.fixture(scope="session")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """A chain where all behind the routes raises an exception that nobody expects."""
    with started(app_that_fails(tmp_path_factory.mktemp("failing"))) as chain:
        chain.expected_defects = ["unexpected RuntimeError"]
        yield chain


@pytest.fixture
def start() -> Iterator[Callable[..., Chain]]:
    """Starts a chain of the test's own, which has not made a call yet."""
    with ExitStack() as stack:
        yield lambda *args, **settings: stack.enter_context(started(*args, **settings))


def _warm(chain: Chain) -> Chain:
    chain.reset()
    assert chain.post().status_code == 201
    chain.reset()
    return chain
