"""The node's TLS certificate: self-signed, P-256, and unable to vouch for any other.

The roster is the trust list, so a certificate says only "this key"; it neither
expires by itself nor may it sign another (a node whose certificate could would
pass for every other). P-256 because grpcio refuses Ed25519 certificates.
``cryptography.x509`` costs 10 MB and is imported when first needed.

Source: RFC 5280 4.1.2.5 (99991231235959Z: no date of expiry), 4.2.1.9 (basic constraints).
"""

from __future__ import annotations

import base64
import ipaddress
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from node.canonical import digest_of
from node.clock import SECOND, Micros
from node.errors import InvalidRequest
from node.names import Digest, NodeId

_NEVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
_ONE_PEM = re.compile(
    r"-----BEGIN CERTIFICATE-----\n([A-Za-z0-9+/=\n]+)\n-----END CERTIFICATE-----\n", re.ASCII
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsPair:
    """A certificate and its private key, both PEM."""

    certificate: str
    key: str


def new_tls_pair(node: NodeId, *, now: Micros) -> TlsPair:
    """Draw a P-256 key and sign its own certificate, for the node's id, localhost and 127.0.0.1."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, node)])
    places: list[x509.GeneralName] = [
        x509.DNSName(node),
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.IPv4Address("127.0.0.1")),
    ]
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    both_ends = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # a day early: the peer's clock may be slow
        .not_valid_before(datetime.fromtimestamp(now // SECOND, UTC) - timedelta(days=1))
        .not_valid_after(_NEVER)
        .add_extension(x509.SubjectAlternativeName(places), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(both_ends, critical=False)
        .sign(key, hashes.SHA256())
    )
    return TlsPair(
        certificate=certificate.public_bytes(serialization.Encoding.PEM).decode("ascii"),
        key=key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode("ascii"),
    )


def certificate_digest(pem: str) -> Digest:
    """Give the SHA-256 of a certificate's DER form: its name in invitations and on connections.

    Raises
    ------
    InvalidRequest
        The text is not exactly one PEM certificate.
    """
    match = _ONE_PEM.fullmatch(pem)
    if match is None:
        raise InvalidRequest(
            "Reading a certificate was refused: it is not one PEM certificate. Send it again."
        )
    return digest_of(base64.b64decode(match[1]))


def check_certificate(pem: str) -> None:
    """Refuse a certificate that could vouch for others or that peers cannot use.

    Raises
    ------
    InvalidRequest
        It is not one self-signed P-256 certificate, or it may sign others.
    """
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import ec

    certificate_digest(pem)
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode("ascii"))
        key = certificate.public_key()
        certificate.verify_directly_issued_by(certificate)
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound) as error:
        raise InvalidRequest(
            f"Reading a certificate was refused ({error or 'not self-signed'}): let its node make a new one."
        ) from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise InvalidRequest("Reading a certificate was refused: its key is not P-256. Make a new one.")
    if constraints.ca or usage.key_cert_sign:
        raise InvalidRequest(
            "Reading a certificate was refused: it could sign for other nodes. Make a new one."
        )
