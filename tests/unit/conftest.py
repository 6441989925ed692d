"""Hypothesis for the unit tests: the same quick examples at every run."""

from hypothesis import settings

settings.register_profile("unit", derandomize=True, database=None, deadline=None, max_examples=20)
settings.load_profile("unit")
