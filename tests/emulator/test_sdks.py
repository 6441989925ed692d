"""Microsoft's own libraries, in a process that only its environment leads into the local cloud."""

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from partner_center_emulator.cloud import LocalCloud


def test_microsofts_libraries_run_unchanged() -> None:
    script = Path(__file__).with_name("sdk_script.py")
    with LocalCloud.in_thread() as cloud:
        details = cloud.connection_details()
        done = subprocess.run(
            [sys.executable, "-W", "error::ResourceWarning", str(script)],
            env={
                "HTTPS_PROXY": details.proxy_url,
                "NO_PROXY": "127.0.0.1",
                "SSL_CERT_FILE": details.ca_file,
                "REQUESTS_CA_BUNDLE": details.ca_file,
                "IDENTITY_ENDPOINT": details.identity_endpoint,
                "IDENTITY_HEADER": details.identity_header,
            },
            input=json.dumps(asdict(details)),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.stderr == ""
        accepted = (
            *("secret", "certificate", "federated", "china", "usgov"),
            *("secret, refresh token", "secret, rotated"),
            *("federated, refresh token", "federated, rotated"),
        )
        assert json.loads(done.stdout) == dict.fromkeys(accepted, True) | {
            "wrong secret": [7000215],
            "missing refused": [404, "SecretNotFound"],
        }
        assert all(connection.routed for connection in cloud.proxy.connections)
        paths = {arrival.path for arrival in cloud.journal.requests("entra")}
        assert "/common/discovery/instance" in paths
        challenged = [a.status for a in cloud.journal.requests("key_vault")]
        assert challenged[:2] == [401, 200]
