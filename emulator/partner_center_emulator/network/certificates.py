"""The certificates of the local cloud: its servers', and its app registration's."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext

import trustme
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    NoEncryption,
    load_pem_private_key,
    pkcs12,
)
from cryptography.x509 import load_pem_x509_certificate

SERVER_NAMES = (
    "login.microsoftonline.com",
    "login.microsoftonline.us",
    "login.partner.microsoftonline.cn",
    "*.vault.azure.net",
    "*.blob.core.windows.net",
    "*.queue.core.windows.net",
    "api.partnercenter.microsoft.com",
    "partner.partnercenterapi.microsoftonline.cn",
    "localhost",
    "127.0.0.1",
)

_APPLICATION = "partner-center-client"


class ServerCertificate:
    """One server certificate for every production host name, and the authority that signed it.

    They are files, so that other processes can use them too. `more` are further host names.
    """

    def __init__(self, directory: Path, more: Iterable[str] = ()) -> None:
        """Makes the authority and the certificate, and writes them in PEM into `directory`."""
        self.ca_file = directory / "ca.pem"
        self.certificate_file = directory / "server.pem"
        self.key_file = directory / "server-key.pem"
        authority = trustme.CA()
        leaf = authority.issue_cert(*SERVER_NAMES, *more)
        authority.cert_pem.write_to_path(self.ca_file)
        self.certificate_file.write_bytes(b"".join(b.bytes() for b in leaf.cert_chain_pems))
        leaf.private_key_pem.write_to_path(self.key_file)

    def server_context(self) -> SSLContext:
        """The TLS context of a server that presents the certificate."""
        context = SSLContext(PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate_file, self.key_file)
        return context


class ApplicationCertificate:
    """A certificate with its RSA key, as an app registration uses it to prove its identity.

    `certificate` is the public half, as it is uploaded to the app registration. `pem` and `pkcs12`
    hold both halves, as Key Vault stores them (PKCS #12 before base64).
    """

    def __init__(self) -> None:
        leaf = trustme.CA().issue_cert(common_name=_APPLICATION, key_type=trustme.KeyType.RSA)
        certificate_pem = leaf.cert_chain_pems[0].bytes()
        key = load_pem_private_key(leaf.private_key_pem.bytes(), None)
        assert isinstance(key, RSAPrivateKey)
        self.certificate = load_pem_x509_certificate(certificate_pem)
        self.pem = (leaf.private_key_pem.bytes() + certificate_pem).decode()
        self.pkcs12 = pkcs12.serialize_key_and_certificates(
            _APPLICATION.encode(), key, self.certificate, None, NoEncryption()
        )


@cache
def application_certificate() -> ApplicationCertificate:
    """The app registration's certificate: RSA keys are slow to make, so each process has one."""
    return ApplicationCertificate()
