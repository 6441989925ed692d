"""Long work shows on a terminal how far it is, and nothing where its output is piped."""

import io
import re
from importlib.util import find_spec
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


def test_a_total_that_is_not_known_is_left_out() -> None:
    terminal = Terminal()
    with Progress(None, "rounds", terminal) as progress:
        progress.step()

    assert "1 rounds, " in terminal.getvalue()


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
    # To import something afterwards gives no warning, which would be an error here.
    assert find_spec("no_such_module") is None


def test_the_pictures_of_a_benchmark_have_the_function_beside_its_yardstick(tmp_path: Path) -> None:
    pytest.importorskip("pygal", reason="pygal is among the development requirements")
    from bench.picture import draw

    rows = [
        {
            "name": "CPU ms, 50 at once, served (yardstick: the bare function)",
            "function": 1.5,
            "yardstick": 1,
        },
        {"name": "CPU ms, 1 at once", "function": 0.7},
        {"name": "requests/s, 1 at once", "function": 77.7},
        {"name": "requests/s, 1 process, served", "function": 98.2},
        {"name": "requests/s, 3 processes, served", "function": 291, "yardstick": 294.6},
    ]
    taken = {"direct client": [0.9, 0.9, 1.2, 99], "with a key": [4.0]}
    draw({"rows": rows, "milliseconds": taken}, tmp_path / "b")

    beside = "50 at once, served, beside the bare function<"
    _shows(tmp_path / "b-cpu.svg", beside, "1 at once<", ">1.5<", ">0.7<", "this function")
    _shows(tmp_path / "b-latencies.svg", "direct client", "with a key", "≤ 1.5 ms", ">50<", ">25<")
    _shows(tmp_path / "b-processes.svg", "1 process<", "3 processes<", ">98<", ">291<", ">295<")


def _shows(picture: Path, *texts: str) -> None:
    content = picture.read_text("utf-8")
    assert [text for text in texts if text not in content] == []
    assert "77.7" not in content
    assert "<script" not in content
