"""Tests through the local cloud: real HTTP and TLS, the real SDKs, the function as a process."""

import pytest

pytest.register_assert_rewrite(f"{__name__}.chain")
