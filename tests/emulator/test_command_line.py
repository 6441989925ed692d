"""`python -m local`, as a person or a Makefile starts it."""

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from local.function_process import ROOT


@contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A command in a process of its own, ended at the end."""
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "local", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_the_demo_shows_the_life_of_a_cart_and_succeeds() -> None:
    with started("demo") as process:
        shown, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, ""), shown
    assert "== Answer: 201 Created" in shown
    assert '"CatalogItemId": "DG7GMGF0DWTL:0001:DG7GMGF0DSJB"' in shown
    assert '"catalogItemId": "DG7GMGF0DWTL:0001:DG7GMGF0DSJB"' in shown
    assert "authorization: Bearer eyJ" in shown
    assert [line.partition(" ")[2] for line in shown.splitlines() if "== Answer" in line] == [
        f"Answer: {status}" for status in ("201 Created", "200 OK", "200 OK", "201 Created")
    ]
    assert "partner_center 4." in shown
    assert re.search(r"^Order \w+: 3 x A_sample_Azure_RI\.$", shown, re.M)
    assert max(map(len, shown.split())) < 150  # no token in full


def test_run_serves_until_it_is_told_to_stop() -> None:
    with started("run", "--port", "0") as process:
        assert process.stdout is not None
        heard = ""
        while not heard.rstrip().endswith("}'"):
            said = process.stdout.readline()
            assert said, "it ended"
            heard += said
        url, _, control = heard.partition("http")[2].partition(", the cloud's control ")
        assert httpx.get(f"http{url}/api/health", trust_env=False).status_code == 200
        assert "curl -i" in heard
        assert "x-functions-key: local-key" in heard
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
        assert control.startswith("http://127.0.0.1:")


def test_run_says_that_its_port_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with started("run", "--port", str(port)) as process:
            _, errors = process.communicate(timeout=30)
    assert process.returncode == 2
    assert f"Port {port} is taken: choose another with --port." in errors


def test_the_cloud_alone_says_where_it_is() -> None:
    with started("cloud") as process:
        assert process.stdout is not None
        where = json.loads(process.stdout.readline())
        environment = httpx.get(f"{where['control']}/environment", trust_env=False)
        assert environment.json() == where["environment"]
        process.send_signal(signal.SIGINT)
        assert process.wait(15) == 0
