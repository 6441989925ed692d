"""The documents: which carts are accepted, and what answers look like. No I/O."""
