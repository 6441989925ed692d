"""The local cloud: identity, Key Vault, Entra and Partner Center on loopback."""
