"""Runs the Functions host as a process of its own, with exactly the environment it is given."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from local.functions_host import DEFAULT_KEY, DRAIN_SECONDS

ROOT = Path(__file__).resolve().parent.parent
_START_SECONDS = 120
_STOP_SECONDS = 60


class FunctionProcess:
    """A running Functions host, ready for requests. Leaving it as a context manager stops it.

    Raises RuntimeError with the process's output where it does not start.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        *,
        app_dir: Path = ROOT,
        port: int = 0,
        log_level: str = "INFO",
        drain_seconds: float = DRAIN_SECONDS,
        inherit_log: bool = False,
    ) -> None:
        """Starts the process; with `inherit_log` its log goes to this process's standard error."""
        self.key = environment.get("FUNCTIONS_KEY") or DEFAULT_KEY
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        command = [sys.executable, "-m", "local.functions_host", "--log-level", log_level]
        command += ["--drain-seconds", str(drain_seconds)]
        self.process = subprocess.Popen(
            [*command, "--port", str(port), "--app-dir", str(app_dir)],
            env=dict(environment),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=None if inherit_log else subprocess.STDOUT,
        )
        try:
            self.url = self._wait_for_url()
        except BaseException:
            self.kill()
            self._output.close()
            raise

    def output(self) -> str:
        """Everything that the process has written so far."""
        # pread does not move the position, at which the process writes.
        file = self._output.fileno()
        return os.pread(file, os.fstat(file).st_size, 0).decode("utf-8", "replace")

    def stop(self) -> int:
        """Ends the process with SIGTERM and returns its exit code."""
        self.process.terminate()
        try:
            return self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int:
        """Ends the process with SIGKILL and returns its exit code."""
        self.process.kill()
        return self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()
        self._output.close()

    def _wait_for_url(self) -> str:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            ended = self.process.poll() is not None
            for line in self.output().splitlines(keepends=True):
                if line.startswith('{"url": ') and line.endswith("\n"):
                    return str(json.loads(line)["url"])
            if ended:
                break
            time.sleep(0.01)
        raise RuntimeError(f"The Functions host did not start.\n{self.output()}".rstrip())
