"""One chain with the default settings for all tests, and new ones for those that need others."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from .chain import Chain, started


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


@pytest.fixture
def start() -> Iterator[Callable[..., Chain]]:
    """Starts a chain of the test's own, which has not made a call yet."""
    with ExitStack() as stack:
        yield lambda *args, **settings: stack.enter_context(started(*args, **settings))
