"""How a client gets to the local cloud: a proxy and certificates."""
