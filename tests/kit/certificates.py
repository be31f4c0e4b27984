"""Certificates and keys as devices and nodes have them, in files."""

from __future__ import annotations

import datetime
import hashlib
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PEM = serialization.Encoding.PEM


class Pair:
    """A certificate and its key, signed by itself or by another."""

    def __init__(
        self, folder: Path, name: str, *, issuer: Pair | None = None, authority: bool = False
    ) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.datetime.now(datetime.UTC)
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer.certificate.subject if issuer else subject)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=3650))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .sign(issuer.key if issuer else self.key, hashes.SHA256())
        )
        self.path, self.key_path = folder / f"{name}.pem", folder / f"{name}.key"
        self.path.write_bytes(self.certificate.public_bytes(PEM))
        self.write_key()

    def write_key(self, passphrase: bytes | None = None) -> None:
        way: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if passphrase:
            way = serialization.BestAvailableEncryption(passphrase)
        self.key_path.touch(mode=0o600)
        self.key_path.write_bytes(self.key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, way))

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.certificate.public_bytes(serialization.Encoding.DER)).hexdigest()
