"""A process that keeps one record, and knows nothing of the local cloud but its environment."""

import asyncio
import json
import os
import sys

from local import loopback_guard

loopback_guard.install()

from cart_core.adapters.blob_store import BlobStore  # noqa: E402 - after the guard
from tests.store.identity import storage_tokens  # noqa: E402 - after the guard
from tests.store.records import name_of, record  # noqa: E402 - after the guard


async def main() -> list[bool]:
    assert not {"azure", "aiohttp"} & set(sys.modules)
    store = BlobStore(os.environ["CART_STORE_URL"], storage_tokens(os.environ["AZURE_CLIENT_ID"]))
    name = name_of("from a process")
    version = await store.create(name, record())
    kept = await store.read(name)
    await store.close()
    return [version is not None, kept == (record(), version)]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(main())))
