"""`python -m local demo | run | cloud`: the app in the local cloud, from the command line."""

import argparse
import json
import os
import signal
import sys
import threading
from contextlib import ExitStack

from partner_center_emulator.cloud import LocalCloud
from partner_center_emulator.services.azurite import Azurite, is_installed

from local.demo import demo
from local.environment import app_environment
from local.local_app import local_app
from local.samples import curl_line
from local.storefronts import default_file

_stopped = threading.Event()
"""Set by the signals that end a command."""


def run(port: int) -> int:
    """Serves the app in a local cloud, with a page that shows it, until a signal comes."""
    with ExitStack() as stack:
        azurite = _azurite(stack)
        try:
            app = local_app(azurite, default_file(), port=port, inherit_log=True)
            _, running = stack.enter_context(app)
        except RuntimeError as error:
            print(error, file=sys.stderr)
            return 2
        print(f"Open {running.url} in a browser to see what happens. Ctrl-C ends it. Try:\n")
        print(curl_line(running.url, running.key), flush=True)
        while running.process.poll() is None:
            if _stopped.wait(0.5):
                return 0
        print("The function ended by itself.", file=sys.stderr)
        return 1


def _azurite(stack: ExitStack) -> Azurite | None:
    """Azurite, where there is a Node.js for it; without it, the app remembers keys in memory."""
    if not is_installed():
        print("Installing Azurite, which emulates Azure Storage. It happens once.", file=sys.stderr)
    try:
        return stack.enter_context(Azurite())
    except RuntimeError as error:
        print(f"No Azurite, so records are kept in memory: {error}", file=sys.stderr)
        return None


def cloud_alone() -> int:
    """Serves a local cloud without the app; prints its control URL and the app's environment."""
    with LocalCloud.in_thread() as cloud:
        facts = {"control": cloud.control_url, "environment": app_environment(cloud)}
        print(json.dumps(facts), flush=True)
        while not _stopped.wait(0.5):
            pass
        return 0


def _stop(number: int, frame: object) -> None:
    """Ends the main thread's work.

    Python ignores an exception that is raised while a finaliser runs, so the event is set as well.
    """
    _stopped.set()
    raise KeyboardInterrupt


def main() -> int:
    """The command line. Ctrl-C, SIGTERM and the end of the terminal end every command properly."""
    parser = argparse.ArgumentParser(prog="python -m local")
    commands = parser.add_subparsers(dest="command", required=True)
    telling = commands.add_parser("demo", help="a story of orders, from request to answer")
    telling.add_argument("--verbose", action="store_true", help="print all headers and bodies")
    serving = commands.add_parser("run", help="the app in a local cloud, until Ctrl-C")
    serving.add_argument("--port", type=int, default=7071)
    commands.add_parser("cloud", help="a local cloud without the app, until Ctrl-C")
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _stop)
    try:
        match options.command:
            case "demo":
                colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
                return demo(colours=colours, verbose=options.verbose)
            case "run":
                return run(options.port)
            case _:
                return cloud_alone()
    except KeyboardInterrupt:
        return 130 if options.command == "demo" else 0


if __name__ == "__main__":
    sys.exit(main())
