"""One chain with the default settings for all tests, and new ones for those that need others."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.end_to_end.chain import Chain, brisk_app, started


@pytest.fixture(scope="session")
def _default_chain() -> Iterator[Chain]:
    with started() as chain:
        yield chain


@pytest.fixture
def chain(_default_chain: Chain) -> Chain:
    """The shared chain, warm (it holds a token) and with an empty cloud."""
    _default_chain.forget()
    assert _default_chain.post().status_code == 201
    _default_chain.forget()
    return _default_chain


@pytest.fixture(scope="session")
def _buying_chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    app = brisk_app(tmp_path_factory.mktemp("buying"))
    with started(app, CART_ALLOW_CHECKOUT="true", CART_MAX_WAIT_SECONDS="0") as chain:
        yield chain


@pytest.fixture
def buying(_buying_chain: Chain) -> Chain:
    """The shared chain that may buy: warm, in haste, and waiting for no Retry-After."""
    _buying_chain.forget()
    partner_center = _buying_chain.cloud.partner_center
    partner_center.put_status, partner_center.repeat_checkout = 201, True
    partner_center.change_seconds, partner_center.busy_code = 0.0, "800064"
    partner_center.deduplicate = True
    assert _buying_chain.post().status_code == 201
    _buying_chain.forget()
    return _buying_chain


@pytest.fixture
def start() -> Iterator[Callable[..., Chain]]:
    """Starts a chain of the test's own, which has not made a call yet."""
    with ExitStack() as stack:
        yield lambda *args, **settings: stack.enter_context(started(*args, **settings))
