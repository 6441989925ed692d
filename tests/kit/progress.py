"""Shows on a terminal how far long work is: one line, and none where the output is piped."""

import sys
import time
from typing import TextIO


class Progress:
    """Done of all, and the seconds so far, in a line that is written over again and again.

    Where it is not known how many there will be, `total` is None.
    Leaving it as a context manager removes the line.
    """

    def __init__(self, total: int | None, what: str, stream: TextIO | None = None) -> None:
        """`what` is the plural of what is counted."""
        self._all = "" if total is None else f" of {total}"
        self._what = what
        self._stream = stream or sys.stderr
        self._began = time.monotonic()
        self._done = 0

    def step(self) -> None:
        """One more is done."""
        self._done += 1
        seconds = time.monotonic() - self._began
        self._write(f"{self._done}{self._all} {self._what}, {seconds:.0f} s")

    def _write(self, text: str) -> None:
        if self._stream.isatty():
            self._stream.write(f"\r\x1b[K{text}")
            self._stream.flush()

    def __enter__(self) -> "Progress":
        self._write(f"0{self._all} {self._what}")
        return self

    def __exit__(self, *exception: object) -> None:
        self._write("")
