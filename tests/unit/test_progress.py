"""Long work shows on a terminal how far it is, and nothing where its output is piped."""

import io
import re
from pathlib import Path

import pytest

from tests.kit.progress import Progress


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_one_line_that_is_gone_at_the_end() -> None:
    terminal = Terminal()
    with Progress(2, "rounds", terminal) as progress:
        progress.step()
        progress.step()

    written = terminal.getvalue().split("\r\x1b[K")
    assert written[:2] == ["", "0 of 2 rounds"]
    assert re.fullmatch(r"2 of 2 rounds, \d+ s", written[3])
    assert (written[-1], "\n" in terminal.getvalue()) == ("", False)


def test_a_pipe_sees_nothing() -> None:
    pipe = io.StringIO()
    with Progress(1, "rounds", pipe) as progress:
        progress.step()

    assert pipe.getvalue() == ""


def test_a_picture_has_every_value_and_no_script(tmp_path: Path) -> None:
    pytest.importorskip("pygal", reason="pygal is among the development requirements")
    from tests.kit.pictures import counted, distribution

    assert counted([1, 10, 11, 99_999]) == [2, 1, 0, 0, 0, 0, 0, 1]
    distribution(tmp_path / "a.svg", "A title", {"one": [5.0, 5.0], "none": []})

    picture = (tmp_path / "a.svg").read_text("utf-8")
    assert picture.startswith("<svg")
    assert "<script" not in picture
    assert "A title" in picture
    assert "one" in picture
    assert "none<" not in picture
