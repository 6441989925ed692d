"""One function for all tests of the samples."""

from collections.abc import Iterator

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
