"""One key, one effect: what is remembered of an operation, and what follows from it."""
