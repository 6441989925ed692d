"""Partner Center carts over HTTP: the vendor-free core and one adapter module per vendor."""

__version__ = "0.2.0"
