"""The documents: which carts are accepted, what is sent for them, what callers get. No I/O."""
