"""Callers of the function, to start from; the tests run them against the emulator."""
