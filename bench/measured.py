"""Starts the processes that are measured, and asks them for figures."""

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


class Subject:
    """A running `bench.load`. As a context manager it is stopped at the end."""

    def __init__(self, name: str, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.load", name],
            env=dict(environment),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            self.first: float = self._hear()["first"]
        except BaseException:
            self._process.kill()
            self._process.communicate()
            raise

    def measure(self, order: Round) -> Figures:
        """One round. Raises RuntimeError where the process breaks down."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps(asdict(order)) + "\n")
        self._process.stdin.flush()
        return Figures(**self._hear())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        try:
            self._process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("The measured process broke down; its own words are above.")
        answer: dict[str, Any] = json.loads(line)
        return answer


def import_seconds(app_dir: Path, environment: Mapping[str, str]) -> float:
    """The time to import `function_app` in an interpreter of its own, compiled before."""
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
    """What the figures are taken on, and how busy it is with other things."""
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        processor = names[0].partition(":")[2].strip() if names else processor
    return (
        f"{processor}, {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f} before; "
        f"Python {platform.python_version()}"
    )
