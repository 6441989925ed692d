"""Runs Bicep's own compiler, and reads what it predicts that a deployment makes.

A Compiler stays up and answers many questions (`bicep jsonrpc`), because most of a call of the
program is its start. It would read the variables that it was started with, so it is asked about
copies of the parameter file that have the values in their place.

The compiler is the file that the variable BICEP names, `bicep` on PATH, or what `az bicep install`
put into the home directory. Where there is none, the tests that need it are skipped.
"""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

INFRA = Path(__file__).resolve().parents[2] / "infra"
FILES = sorted(INFRA.rglob("*.bicep"))

_INSTALLED = Path.home() / ".azure" / "bin" / "bicep"
COMPILER = (
    os.environ.get("BICEP")
    or shutil.which("bicep")
    or (str(_INSTALLED) if _INSTALLED.exists() else None)
)

SUBSCRIPTION = "00000000-0000-0000-0000-00000000000a"
TENANT = "00000000-0000-0000-0000-00000000000b"
REQUIRED = {
    "AZURE_ENV_NAME": "ci",
    "AZURE_LOCATION": "westeurope",
    "PARTNER_CENTER_TENANT_ID": "00000000-0000-0000-0000-000000000001",
    "PARTNER_CENTER_CLIENT_ID": "00000000-0000-0000-0000-000000000002",
}
"""The variables without a default; infra/main.snapshot.json was made with these."""

SCOPE = ("--subscription-id", SUBSCRIPTION, "--tenant-id", TENANT)
"""Where a snapshot is taken: it needs ids, and they need not exist."""


@dataclass(frozen=True)
class Prediction:
    """What a deployment with some variables would make."""

    resources: list[dict[str, Any]]
    diagnostics: list[Any]
    outputs: dict[str, Any]

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The resources of a type, such as Microsoft.Web/sites."""
        return [each for each in self.resources if each["type"] == kind]

    def one(self, kind: str, start: str = "") -> dict[str, Any]:
        """The only resource of a type whose name starts so. Raises ValueError for none or more."""
        (found,) = (each for each in self.of(kind) if each["name"].startswith(start))
        return found

    def queries(self) -> dict[str, str]:
        """The queries of the alerts, by the ends of their names."""
        return {
            re.sub(r"^alert-carts-\w{13}-", "", each["name"]): criterion["query"]
            for each in self.of("Microsoft.Insights/scheduledQueryRules")
            for criterion in each["properties"]["criteria"]["allOf"]
        }

    def settings(self) -> dict[str, str]:
        """The settings of the site by name."""
        site = self.one("Microsoft.Web/sites")
        pairs = site["properties"]["siteConfig"]["appSettings"]
        return {each["name"]: each["value"] for each in pairs}


def run(*arguments: str | Path, home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the compiler with these variables and no others."""
    assert COMPILER is not None
    env = {"PATH": os.environ["PATH"], "HOME": str(home), **environment}  # it needs a home
    return subprocess.run(
        [COMPILER, *arguments], check=False, env=env, capture_output=True, text=True, timeout=600
    )


def copy_of_infra(directory: Path) -> Path:
    """A copy of infra/, because a snapshot is written beside its parameter file."""
    copy = directory / "infra"
    shutil.copytree(INFRA, copy, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    return copy


class Refused(Exception):
    """Why the compiler predicts nothing."""


class Compiler:
    """One process of the compiler, and a copy of infra/ that it is asked about."""

    def __init__(self, directory: Path) -> None:
        assert COMPILER is not None
        self._infra = copy_of_infra(directory)
        self._source = (self._infra / "main.bicepparam").read_text("utf-8")
        self._asked = 0
        self._process = subprocess.Popen(
            [COMPILER, "jsonrpc", "--stdio"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PATH": os.environ["PATH"], "HOME": str(directory)},
        )

    def close(self) -> None:
        """Ends the process."""
        self._process.terminate()
        self._process.communicate()

    def template(self, path: Path) -> dict[str, Any]:
        """What a file of infra/ is compiled to: its parameters with their limits, its outputs."""
        answer = self._ask("compile", path=str(self._infra / path.relative_to(INFRA)))
        assert answer["success"], self._said(answer)
        template: dict[str, Any] = json.loads(answer["contents"])
        return template

    def parameters(self, **environment: str) -> dict[str, Any]:
        """The parameters of a deployment with these variables. Raises Refused."""
        answer = self._ask("compileParams", path=self._written(environment), parameterOverrides={})
        if not answer["success"]:
            raise Refused(self._said(answer))
        parameters: dict[str, Any] = json.loads(answer["parameters"])["parameters"]
        return parameters

    def predict(self, **environment: str) -> Prediction:
        """What a deployment with these variables makes. Raises Refused."""
        path = self._written(environment)
        scope = {"subscriptionId": SUBSCRIPTION, "tenantId": TENANT}
        try:
            answer = self._ask("getSnapshot", path=path, metadata=scope, externalInputs=[])
        except Refused:
            said = self._said(self._ask("compileParams", path=path, parameterOverrides={}))
            if said:
                raise Refused(said) from None
            raise
        snapshot = json.loads(answer["snapshot"])
        return Prediction(
            snapshot["predictedResources"], snapshot["diagnostics"], snapshot["outputs"]
        )

    @staticmethod
    def _said(answer: dict[str, Any]) -> str:
        """Errors and warnings with the number of their line."""
        return "\n".join(
            f"main.bicepparam({each['range']['start']['line'] + 1},1) {each['message']}"
            for each in answer["diagnostics"]
        )

    def _written(self, environment: dict[str, str]) -> str:
        """The parameter file with these values in it; a new file, so no answer is an old one."""
        values = REQUIRED | environment

        def value(call: re.Match[str]) -> str:
            given = values.get(call[1])
            if given is None:
                return call[2] or call[0]
            return "'" + given.replace("\\", "\\\\").replace("'", "\\'") + "'"

        source = re.sub(r"readEnvironmentVariable\('(\w+)'(?:, ('.*?'))?\)", value, self._source)
        path = self._infra / f"main-{self._asked}.bicepparam"
        path.write_text(source, "utf-8")
        return str(path)

    def _ask(self, method: str, **params: Any) -> dict[str, Any]:
        """The result of a method (JSON-RPC 2.0 with headers). Raises Refused for an error."""
        assert self._process.stdin
        assert self._process.stdout
        self._asked += 1
        request = {"jsonrpc": "2.0", "id": self._asked, "method": f"bicep/{method}"}
        body = json.dumps(request | {"params": params}).encode()
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self._process.stdin.flush()
        length = 0
        while header := self._process.stdout.readline().strip():
            name, _, value = header.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        answer = json.loads(self._process.stdout.read(length))
        if "error" in answer:
            raise Refused(answer["error"]["message"])
        result: dict[str, Any] = answer["result"]
        return result


def write_snapshot() -> None:
    """Writes infra/main.snapshot.json, which shows a change of infrastructure in review.

    The compiler gives the outputs in another order each time; here they are sorted.
    """
    if COMPILER is None:
        raise SystemExit("There is no Bicep compiler: set BICEP, or run `az bicep install`.")
    parameters = INFRA / "main.bicepparam"
    done = run(
        *("snapshot", "--mode", "overwrite", *SCOPE, parameters), home=Path.home(), **REQUIRED
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    written = INFRA / "main.snapshot.json"
    snapshot = json.loads(written.read_text("utf-8"))
    snapshot["outputs"] = dict(sorted(snapshot["outputs"].items()))
    written.write_text(json.dumps(snapshot, indent=2, ensure_ascii=False), "utf-8")


if __name__ == "__main__":
    write_snapshot()
