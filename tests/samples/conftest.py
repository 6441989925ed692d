"""One function for all tests of the samples, and new ones for those that need other settings."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.samples.shop import Shop, opened


@pytest.fixture(scope="session")
def _shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with opened(tmp_path_factory.mktemp("app")) as shop:
        yield shop


@pytest.fixture
def shop(_shop: Shop) -> Iterator[Shop]:
    """The shared shop, where nothing is bought yet and nothing is wrong."""
    _shop.cloud.reset()
    yield _shop
    _shop.cloud.partner_center.deduplicate = True
    _shop.cloud.partner_center.repeat_checkout = True


@pytest.fixture
def open_shop(tmp_path: Path) -> Iterator[Callable[..., Shop]]:
    """Opens a shop of the test's own, with other settings."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(opened(tmp_path, **settings))
