"""The emulated Partner Center: its carts, orders, catalogue and refusals."""
