"""The samples, run against the local cloud."""
