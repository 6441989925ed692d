"""Microsoft Partner Center's carts, and the services that lead to them, emulated on loopback."""
