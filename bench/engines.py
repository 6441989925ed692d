"""`python -m bench.engines`: compares HTTP engines on loopback, in about half a minute.

Each engine posts 0.5 KB over TLS to a server; engine and server have a process each. The table
shows requests per second, and processor time per request, as ratios to aiohttp in the same run.
httpx2 is measured only where it is installed.
"""

import argparse
import asyncio
import importlib.util
import json
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import trustme
from aiohttp import web

ENGINES = ("aiohttp", "httpx-aiohttp", "httpx", "httpx2")
CONCURRENCY = (1, 16, 50, 200)
SECONDS = 1.3
BODY = b"x" * 512


def serve(certificate: str) -> None:
    """Runs the server until it is killed. It prints its port as its first line."""

    async def echo(request: web.Request) -> web.Response:
        return web.Response(body=await request.read(), status=201)

    async def run() -> None:
        app = web.Application()
        app.router.add_post("/", echo)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(certificate)
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        print(runner.addresses[0][1], flush=True)
        await asyncio.sleep(600)

    asyncio.run(run())


Post = Callable[[str], Awaitable[None]]
Close = Callable[[], Awaitable[None]]


async def client_of(engine: str, tls: ssl.SSLContext) -> tuple[Post, Close]:
    """The function that posts with an engine, and the one that closes it."""
    if engine == "aiohttp":
        import aiohttp

        session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=100, ssl=tls))

        async def post(url: str) -> None:
            async with session.post(url, data=BODY) as response:
                await response.read()

        return post, session.close
    if engine == "httpx-aiohttp":
        from httpx_aiohttp import HttpxAiohttpClient

        client: Any = HttpxAiohttpClient(verify=tls, trust_env=False)
    else:
        module: Any = importlib.import_module(engine)
        client = module.AsyncClient(verify=tls, trust_env=False)

    async def post_with_client(url: str) -> None:
        (await client.post(url, content=BODY)).raise_for_status()

    return post_with_client, client.aclose


async def measure(engine: str, url: str, ca: str) -> dict[str, Any]:
    """Requests per second at each concurrency, and CPU seconds for a request at 50."""
    post, close = await client_of(engine, ssl.create_default_context(cafile=ca))
    figures: dict[str, Any] = {}
    for concurrency in CONCURRENCY:
        count, end = 0, time.perf_counter() + SECONDS
        began, cpu = time.perf_counter(), time.process_time()

        async def load(until: float = end) -> int:
            done = 0
            while time.perf_counter() < until:
                await post(url)
                done += 1
            return done

        count = sum(await asyncio.gather(*(load() for _ in range(concurrency))))
        figures[str(concurrency)] = count / (time.perf_counter() - began)
        if concurrency == 50:
            figures["cpu"] = (time.process_time() - cpu) / count
    await close()
    return figures


def main() -> int:
    """Measures all engines and prints their ratios as a Markdown table."""
    with tempfile.TemporaryDirectory() as folder:
        authority = trustme.CA()
        ca, certificate = Path(folder, "ca.pem"), Path(folder, "server.pem")
        authority.cert_pem.write_to_path(ca)
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(certificate)
        me = [sys.executable, "-m", "bench.engines"]
        server = subprocess.Popen([*me, "--serve", str(certificate)], stdout=subprocess.PIPE)
        try:
            assert server.stdout
            url = f"https://127.0.0.1:{int(server.stdout.readline())}/"
            installed = [
                name for name in ENGINES if importlib.util.find_spec(name.replace("-", "_"))
            ]
            figures = {
                name: json.loads(subprocess.check_output([*me, "--measure", name, url, str(ca)]))
                for name in installed
            }
        finally:
            server.kill()
            server.communicate()
    one = figures["aiohttp"]
    columns = [*map(str, CONCURRENCY), "cpu"]
    print("| engine | " + " | ".join(f"requests/s at {n}" for n in CONCURRENCY) + " | CPU at 50 |")
    print("|" + "---|" * (len(columns) + 1))
    for name, row in figures.items():
        print(f"| {name} | " + " | ".join(f"{row[c] / one[c]:.2f}" for c in columns) + " |")
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--serve")
    parser.add_argument("--measure", nargs=3)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
    elif options.measure:
        print(json.dumps(asyncio.run(measure(*options.measure))))
    else:
        sys.exit(main())
