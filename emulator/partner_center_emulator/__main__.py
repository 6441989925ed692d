"""`python -m partner_center_emulator`: serves the local cloud until Ctrl-C or SIGTERM."""

import argparse
import asyncio
import json
import signal
from dataclasses import asdict

from partner_center_emulator.cloud import LocalCloud


async def serve() -> None:
    """Starts a cloud, prints its connection details as one JSON line, and waits for a signal."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with LocalCloud() as cloud:
        print(json.dumps(asdict(cloud.connection_details())), flush=True)
        await stopped.wait()


if __name__ == "__main__":
    argparse.ArgumentParser(
        prog="python -m partner_center_emulator", description=__doc__
    ).parse_args()
    asyncio.run(serve())
