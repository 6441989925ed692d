"""What test folders share."""

import os
from collections.abc import Iterator

import pytest
from partner_center_emulator.services.azurite import Azurite


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """`-n logical` has a process for each core, and `-n auto` one more.

    Many tests wait for other processes; unit tests do not.
    """
    cores = os.cpu_count() or 1
    return cores if config.option.numprocesses == "logical" else cores + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests begin first, so that in the end no process is left alone with one."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    """One storage emulator for all tests; LocalCloud(azurite=...) makes a container in it."""
    with Azurite() as running:
        yield running
