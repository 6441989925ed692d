"""Starts the processes that are measured, and reads their figures."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

from bench.load import ROOT, Figures, Round

_TIME = "import time; began = time.perf_counter(); {}; print(time.perf_counter() - began)"


class _Process:
    """A process that answers lines of JSON. As a context manager it ends the process."""

    def __init__(self, module: str, argument: str, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, argument],
            env=dict(environment),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            self.greeting = self._read()
        except BaseException:
            self._process.kill()
            self._process.communicate()
            raise

    def ask(self, line: str) -> dict[str, Any]:
        """The answer to a line. Raises RuntimeError where the process ends."""
        assert self._process.stdin
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        return self._read()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        try:
            self._process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("The measured process ended; what it printed is above.")
        answer: dict[str, Any] = json.loads(line)
        return answer


class Subject(_Process):
    """A running `bench.load` process. `first` is how many seconds its first request took."""

    def __init__(self, name: str, environment: Mapping[str, str]) -> None:
        super().__init__("bench.load", name, environment)
        self.first: float = self.greeting["first"]

    def measure(self, order: Round) -> Figures:
        """Runs one round. Raises RuntimeError where the process ends."""
        return Figures(**self.ask(json.dumps(asdict(order))))


class Served(_Process):
    """A running `bench.served` process: an app behind HTTP at `url`."""

    def __init__(self, app_dir: Path, environment: Mapping[str, str]) -> None:
        super().__init__("bench.served", str(app_dir), environment)
        self.url: str = self.greeting["url"]

    def cpu(self) -> float:
        """Seconds of processor time that the process has used until now."""
        return float(self.ask("")["cpu"])


def import_seconds(app_dir: Path, environment: Mapping[str, str]) -> float:
    """Seconds to import `function_app` in a new interpreter, from compiled files."""
    done = subprocess.run(
        [sys.executable, "-c", _TIME.format("import function_app")],
        env=dict(environment),
        cwd=app_dir,
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def machine() -> str:
    """The machine that was measured on: processor, cores, load before the run, Python."""
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        processor = names[0].partition(":")[2].strip() if names else processor
    return (
        f"{processor}, {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f} before; "
        f"Python {platform.python_version()}"
    )
