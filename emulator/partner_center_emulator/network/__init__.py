"""How a client reaches the local cloud: the proxy, the certificates and the connection details."""
