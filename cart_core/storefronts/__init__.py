"""Webhooks of storefronts: from the bytes of a delivery to an order that may be bought once."""
