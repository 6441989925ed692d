"""The emulated services around Partner Center: identity, vault, directory and storage."""
