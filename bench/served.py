"""The process that serves one app by HTTP, for a load generator in another process.

`python -m bench.served APP_DIR` prints its URL as JSON. Then it answers each line of its input with
the processor time that it has used, all threads. The app runs in the local Functions host, under
the limits of this repository's host.json, so that only as many requests run at a time as in Azure.
"""

import asyncio
import json
import os
import sys
import time
from pathlib import Path

from aiohttp import web

from bench.load import ROOT, access_token, print_json
from local.functions_host import DEFAULT_KEY, Host, load


async def serve(app_dir: Path) -> None:
    """Serves the app until the input ends."""
    os.environ["PARTNER_CENTER_TOKEN"] = access_token()  # for `bench/bare`
    settings = json.loads((ROOT / "host.json").read_text("utf-8"))["extensions"]["http"]
    runner = Host(load(app_dir), settings, DEFAULT_KEY).runner(drain_seconds=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    print_json({"url": f"http://127.0.0.1:{runner.addresses[0][1]}"})
    while await asyncio.to_thread(sys.stdin.readline):
        print_json({"cpu": time.process_time()})
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
