"""What test folders share."""

from collections.abc import Iterator

import pytest
from partner_center_emulator.services.azurite import Azurite


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    """One storage emulator for all tests; LocalCloud(azurite=...) makes a container in it."""
    with Azurite() as running:
        yield running
