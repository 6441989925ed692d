"""A process that stores one record. All it has of the local cloud is its environment."""

import asyncio
import json
import os
import sys

from local import loopback_guard

loopback_guard.install()

from tests.store.stores import name_of, open_store, record  # noqa: E402 - after the guard


async def main() -> list[bool]:
    assert not {"azure", "aiohttp"} & set(sys.modules)
    store = open_store(os.environ)
    name = name_of("from a process")
    version = await store.create(name, record())
    stored = await store.read(name)
    await store.close()
    return [version is not None, stored is not None and stored[:2] == (record(), version)]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(main())))
