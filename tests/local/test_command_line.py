"""`python -m local`, as a person or a Makefile starts it."""

import json
import os
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
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def told(*options: str) -> str:
    """What the demo prints."""
    with started("demo", *options) as process:
        printed, errors = process.communicate(timeout=300)
    assert (process.returncode, errors) == (0, ""), printed
    words = re.sub(r"http://\S+/api/accepted/\S+", "", printed).split()
    assert max(map(len, words)) < 150  # no access token in full
    return printed


def test_the_demo_tells_a_story_on_one_screen() -> None:
    printed = told()

    assert printed.count("\n") <= 57
    assert max(map(len, printed.splitlines())) <= 160
    assert "\x1b" not in printed  # colours are for a terminal
    answers = re.findall(r"answer  (\d+) .*?: (.*)", printed)
    assert [status for status, _ in answers] == [
        *("201", "201", "400", "422"),
        *("202", "201"),
        *("201", "200", "200", "201"),
        "200",
    ]
    orders = re.findall(r"completed; order (\w+): 5 x", printed)
    assert (len(orders), len(set(orders))) == (3, 2)  # the second is the first, replayed
    assert "201 Created, replayed: completed" in printed
    assert "/lineItems/0/quantity: Must be at least 1." in printed
    assert "cart_not_orderable" in printed
    assert re.search(r"completed; order \w+: 3 x A_sample_Azure_RI", printed)
    assert printed.count("Partner Center got nothing.") == 3
    assert re.search(r"bought  d6bf25b7-\S+: 5 x CFQ7TTC0LH18:0001: completed \w+", printed)


def test_the_demo_shows_every_header_and_body_when_asked() -> None:
    printed = told("--verbose")

    for member in ("CatalogItemId", "catalogItemId"):
        assert f'"{member}": "DG7GMGF0DWTL:0001:DG7GMGF0DSJB"' in printed
    assert "authorization: Bearer eyJ" in printed
    assert "characters)" in printed
    assert printed.count("preference-applied: omit-values=nulls") == 9


def test_run_serves_until_a_signal_comes() -> None:
    with started("run", "--port", "0") as process:
        assert process.stdout is not None
        printed = ""
        while not printed.rstrip().endswith("}'"):
            line = process.stdout.readline()
            assert line, "it ended"
            printed += line
        url = printed.split()[1]
        with httpx.Client(trust_env=False, timeout=60, follow_redirects=True) as browser:
            assert browser.get(f"{url}/api/health").status_code == 200
            assert "Partner Center" in browser.get(url).text
        assert "curl -i" in printed
        assert "x-functions-key: local-key" in printed
        assert printed.count("http") == 2  # one address, and the same in what to try
        os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does on a terminal
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Unclosed" not in errors
    assert "Traceback" not in errors


def test_run_says_that_its_port_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with started("run", "--port", str(port)) as process:
            _, errors = process.communicate(timeout=300)
    assert process.returncode == 2
    assert f"Port {port} is taken: choose another with --port." in errors


def test_the_cloud_alone_prints_its_control_url_and_the_apps_environment() -> None:
    with started("cloud") as process:
        assert process.stdout is not None
        printed = json.loads(process.stdout.readline())
        assert printed.keys() == {"control", "environment"}
        url = f"{printed['control']}/connection-details"
        details = httpx.get(url, trust_env=False, timeout=60).json()
        assert printed["environment"]["PARTNER_CENTER_CLIENT_ID"] == details["client_id"]
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
