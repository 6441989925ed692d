"""What editors are told of this project is true: the tasks, and the container to work in."""

import json
import re
import tomllib
from typing import Any

import pytest

from local.function_process import ROOT


def read(name: str) -> Any:
    return json.loads((ROOT / name).read_text("utf-8"))


TASKS = read(".vscode/tasks.json")["tasks"]


@pytest.mark.parametrize("task", TASKS, ids=[task["label"] for task in TASKS])
def test_a_task_is_a_target_of_make(task: dict[str, Any]) -> None:
    assert task["command"] == f"make {task['label']}"
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert re.search(rf"^{task['label']}:", makefile, re.M)


def test_the_container_has_a_supported_python_and_what_is_deployed_with() -> None:
    container = read(".devcontainer/devcontainer.json")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    version = container["image"].rpartition(":")[2]

    assert project["requires-python"] == ">=3.11"
    assert version == "3.13"
    features = {name.rpartition("/")[2].partition(":")[0] for name in container["features"]}
    assert features == {"node", "azure-cli", "azd"}
    assert container["forwardPorts"] == [7071]
