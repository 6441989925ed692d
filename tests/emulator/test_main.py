"""`python -m partner_center_emulator`, used by somebody who has nothing but its README."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.emulator.readme import README


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_program_of_the_readme_makes_a_cart(
    tmp_path: Path, number: signal.Signals
) -> None:
    program = re.search(r"```python\n(.*?)```", README, re.S)
    assert program
    with subprocess.Popen(
        [sys.executable, "-m", "partner_center_emulator"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as emulator:
        try:
            assert emulator.stdout is not None
            details = emulator.stdout.readline()
            (tmp_path / "details.json").write_text(details)
            printed = subprocess.run(
                [sys.executable, "-c", program[1]],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=True,
            )
            assert printed.stdout == "201 30.0\n"
            with httpx.Client(
                base_url=json.loads(details)["control_url"], trust_env=False, timeout=60
            ) as control:
                assert control.get("connection-details").json() == json.loads(details)
                assert len(control.get("carts").json()) == 1
            emulator.send_signal(number)
            assert emulator.communicate(timeout=60) == ("", "")
            assert emulator.returncode == 0
        finally:
            emulator.kill()
