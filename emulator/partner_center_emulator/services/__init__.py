"""The services around Partner Center: managed identity, Key Vault, Entra ID and Blob Storage."""
