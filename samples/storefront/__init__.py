"""A storefront's own call, in Python."""
