"""A pytest fixture for other projects' tests.

Name this module in the `pytest_plugins` of the `conftest.py` at the root of the tests.
"""

from collections.abc import Iterator

import pytest

from partner_center_emulator.cloud import LocalCloud


@pytest.fixture(scope="session")
def running_partner_center_cloud() -> Iterator[LocalCloud]:
    """The cloud that all tests share, because starting one takes a moment."""
    with LocalCloud.in_thread() as cloud:
        yield cloud


@pytest.fixture
def partner_center_cloud(running_partner_center_cloud: LocalCloud) -> LocalCloud:
    """A running cloud without carts, orders, requests and disturbances of earlier tests.

    Settings that an earlier test has changed stay as they are.
    """
    running_partner_center_cloud.reset()
    return running_partner_center_cloud
