"""Certificates and keys as Key Vault stores them."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12


@cache
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def elliptic_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@cache
def certificate_of(private_key: Any) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "carts")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject)
    builder = builder.public_key(private_key.public_key()).serial_number(1)
    builder = builder.not_valid_before(now).not_valid_after(now + timedelta(1))
    return builder.sign(private_key, hashes.SHA256())


def certificate() -> x509.Certificate:
    return certificate_of(key())


@cache
def pfx() -> str:
    protection = serialization.NoEncryption()
    bundle = pkcs12.serialize_key_and_certificates(None, key(), certificate(), None, protection)
    return base64.b64encode(bundle).decode()


def pem(*parts: Any) -> str:
    def encode(part: Any) -> bytes:
        encoding = serialization.Encoding.PEM
        if isinstance(part, x509.Certificate):
            return part.public_bytes(encoding)
        content: bytes = part.private_bytes(
            encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return content

    return b"".join(map(encode, parts)).decode()


USABLE: dict[str, Callable[[], str]] = {
    "pkcs12": pfx,
    "pem": lambda: pem(key(), certificate()),
    "pem, key last": lambda: pem(certificate(), key()),
    "leaf last": lambda: pem(key(), certificate_of(elliptic_key()), certificate()),
}
"""What Key Vault may hold for `certificate()`."""

UNUSABLE: dict[str, Callable[[], str]] = {
    "garbage": lambda: "no Base64!",
    "no PKCS #12": lambda: base64.b64encode(b"no PKCS #12").decode(),
    "no key": lambda: pem(certificate()),
    "no certificate": lambda: pem(key()),
    "another key's certificate": lambda: pem(key(), certificate_of(elliptic_key())),
    "no RSA": lambda: pem(elliptic_key(), certificate_of(elliptic_key())),
}
