"""Makes the app's environment of a local cloud."""

import os

from partner_center_emulator.cloud import LocalCloud

BUYING = {"CART_ALLOW_CHECKOUT": "true"}
"""Allows checkouts, which cost nothing here."""

_INHERITED = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "SYSTEMROOT")


def app_environment(cloud: LocalCloud, **changes: str | None) -> dict[str, str]:
    """All environment variables of a process that runs the app in `cloud`.

    `changes` sets variables, or removes those that it gives as None. Of this process's own
    environment only a few variables are inherited, so that no other setting gets into the app.
    """
    details = cloud.connection_details()
    environment: dict[str, str | None] = {
        **{name: os.environ[name] for name in _INHERITED if name in os.environ},
        "PARTNER_CENTER_TENANT_ID": details.tenant_id,
        "PARTNER_CENTER_CLIENT_ID": details.client_id,
        "AZURE_CLIENT_ID": details.managed_identity_client_id,
        "KEY_VAULT_URL": details.key_vault_url,
        "IDENTITY_ENDPOINT": details.identity_endpoint,
        "IDENTITY_HEADER": details.identity_header,
        "HTTPS_PROXY": details.proxy_url,
        "NO_PROXY": "127.0.0.1,localhost",
        "SSL_CERT_FILE": details.ca_file,
        "REQUESTS_CA_BUNDLE": details.ca_file,
        "CART_STORE_URL": details.container_url,
        "AzureWebJobsStorage__queueServiceUri": details.queue_service_url,
        **changes,
    }
    return {name: value for name, value in environment.items() if value is not None}
