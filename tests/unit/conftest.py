"""Hypothesis for the unit tests: the same quick examples at every run."""

import gc

from hypothesis import settings

settings.register_profile("unit", derandomize=True, database=None, deadline=None, max_examples=20)
settings.load_profile("unit")


def pytest_collection_finish() -> None:
    """All tests and modules stay to the end, so the garbage collector need not look at them."""
    gc.collect()
    gc.freeze()
