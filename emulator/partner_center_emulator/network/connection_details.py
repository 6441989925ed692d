"""What a client has to know to use the local cloud."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ConnectionDetails:
    """Addresses, names and credentials of one cloud. They change with every start."""

    page_url: str
    """The page that shows in a browser what happens."""
    control_url: str
    """The control endpoint, without a slash at its end."""
    proxy_url: str
    """The HTTP proxy that leads the production host names to the cloud: for HTTPS_PROXY."""
    ca_file: str
    """Path of the PEM file with the certificate authority to trust: for SSL_CERT_FILE."""
    tenant_id: str
    client_id: str
    """The app registration that may call Partner Center."""
    client_secret: str
    """The app registration's current secret."""
    managed_identity_client_id: str
    identity_endpoint: str
    """Where the managed identity's tokens are: for IDENTITY_ENDPOINT."""
    identity_header: str
    """The value of the X-IDENTITY-HEADER that has to be sent there: for IDENTITY_HEADER."""
    key_vault_url: str
    client_secret_name: str
    """The name of the Key Vault secret with the client secret. The other names are alike."""
    certificate_name: str
    refresh_token_name: str
    container_url: str | None
    """The cloud's own container in Blob Storage; None where it was started without Azurite."""
    queue_service_url: str | None
    """The queue service of the same account, with the queue of the app; None without Azurite."""
