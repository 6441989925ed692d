"""No test of an adapter waits: what would sleep between two tries fails instead."""

import pytest


@pytest.fixture(autouse=True)
def _no_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    def sleep(seconds: float) -> None:
        raise AssertionError(f"a pause of {seconds} seconds")

    monkeypatch.setattr("time.sleep", sleep)
