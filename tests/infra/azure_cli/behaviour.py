"""What azure-cli really does where the manual depends on it; it runs in azure-cli's environment.

Nothing leaves the machine: whatever would be sent is caught. Writes the findings as JSON.
"""

import json
import sys
import tempfile
from unittest import mock

from azure.cli.command_modules.appservice import custom


def address_of_zip_deployment(build_remote: bool) -> str:
    """Where `config-zip --build-remote …` sends a Python package on Flex Consumption."""
    answer = mock.Mock(status_code=200, content=b"", text="")
    with (
        tempfile.NamedTemporaryFile() as package,
        mock.patch.object(custom, "_get_scm_url", return_value="https://scm.example"),
        mock.patch.object(custom, "get_runtime_config", return_value={"name": "python"}),
        mock.patch.object(custom, "get_scm_site_headers_flex", return_value={}),
        mock.patch("requests.post", return_value=answer) as post,
    ):
        try:
            custom.enable_zip_deploy_flex(
                mock.Mock(), "g", "n", package.name, None, None, build_remote
            )
        except custom.AzureInternalError as error:  # it takes an answer of 200 for a failure
            sys.stderr.write(str(error))
    return str(post.call_args.args[0])


def value_of_a_key_that_was_set() -> str | None:
    """What `function keys set` answers for the key's value."""
    client = mock.MagicMock()
    client.web_apps.create_or_update_function_secret.return_value = mock.Mock(value="a key")
    with mock.patch.object(custom, "web_client_factory", return_value=client):
        answer = custom.update_function_key(mock.MagicMock(), "g", "n", "k", "v", "f")
    value = answer["value"] if isinstance(answer, dict) else answer.value
    return None if value is None else str(value)


if __name__ == "__main__":
    json.dump(
        {
            "zip": address_of_zip_deployment(build_remote=False),
            "key": value_of_a_key_that_was_set(),
        },
        sys.stdout,
    )
