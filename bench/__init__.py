"""Measures the function beside a direct client and a tutorial function: `python -m bench`."""
