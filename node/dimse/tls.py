"""TLS of the DICOM listener and of calls to others: who the node is, whose certificates it accepts, which versions and ciphers.

Whether a caller whose certificate is accepted may send is decided by `rules`,
which know a certificate by the SHA-256 of its DER form.

Source: DICOM PS3.15 B.12 (BCP 195 RFC 9325 profile), RFC 9325 3.1.1 (versions), 4.2 (cipher suites).
"""

from __future__ import annotations

import hashlib
import ssl
import stat
from pathlib import Path

from node.config import Config
from node.errors import InvalidRequest

CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
)
"""Of TLS 1.2; those of 1.3 are all taken."""


def dicom_tls_context(config: Config) -> ssl.SSLContext:
    """Give the TLS that the configuration asks for.

    With ``tls_trust`` a caller must show a certificate that stands there, or that one of the authorities there
    signed; without it none is asked for, and no rule that wants one can fit.

    Raises
    ------
    InvalidRequest
        Names the setting, and what is wrong with its file.
    """
    dicom = config.dicom
    if not dicom.tls_certificate or not dicom.tls_key:
        raise InvalidRequest(
            "Reading [dicom] tls_certificate was refused: there is none. Give tls_certificate and tls_key."
        )
    _check_file("tls_certificate", dicom.tls_certificate)
    _check_private(dicom.tls_key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_ciphers(":".join(CIPHERS))
    _show(context, dicom.tls_certificate, dicom.tls_key)
    if dicom.tls_trust:
        _trust(context, dicom.tls_trust)
    return context


def dicom_client_context(config: Config) -> ssl.SSLContext:
    """Give the TLS with which this node calls others: their certificate must be trusted, and they see ours if there is one.

    A remote AE is known by its certificate or by the authority that signed it, not by a host name: devices
    are called by address, and their certificates seldom name one.

    Raises
    ------
    InvalidRequest
        Nothing says whom to trust; or names the setting, and what is wrong with its file.
    """
    dicom = config.dicom
    if not dicom.tls_trust:
        raise InvalidRequest(
            "Calling with TLS was refused: [dicom] tls_trust names nobody. Put the remote AE's certificate there."
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_ciphers(":".join(CIPHERS))
    _trust(context, dicom.tls_trust)
    if dicom.tls_certificate:
        _check_private(dicom.tls_key)
        _show(context, dicom.tls_certificate, dicom.tls_key)
    return context


def certificate_shown(connection: ssl.SSLSocket) -> str:
    """Give the SHA-256 of the certificate that the caller showed, in hex; empty without one."""
    shown = connection.getpeercert(binary_form=True)
    return hashlib.sha256(shown).hexdigest() if shown else ""


def _show(context: ssl.SSLContext, certificate: str, key: str) -> None:
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ValueError) as error:
        raise InvalidRequest(
            f"Reading [dicom] tls_certificate and tls_key was refused ({_short(error)}):"
            " give PEM files that belong together, the key without a passphrase."
        ) from error


def _trust(context: ssl.SSLContext, path: str) -> None:
    _check_file("tls_trust", path)
    try:
        context.load_verify_locations(path)
    except (OSError, ValueError) as error:
        raise InvalidRequest(
            f"Reading [dicom] tls_trust was refused ({_short(error)}): give a PEM file of certificates."
        ) from error
    # A device's own certificate may stand there in place of the authority that signed it.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_mode = ssl.CERT_REQUIRED


def _check_file(setting: str, path: str) -> Path:
    file = Path(path)
    if not file.is_file():
        raise InvalidRequest(
            f"Reading [dicom] {setting} was refused: there is no file {path}. Correct the path."
        )
    return file


def _check_private(path: str) -> None:
    if _check_file("tls_key", path).stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise InvalidRequest(
            f"Reading [dicom] tls_key was refused: others may read it. Run 'chmod 600 {path}'."
        )


def _no_password() -> str:
    """Keep OpenSSL from asking at the terminal."""
    return ""


def _short(error: Exception) -> str:
    return str(getattr(error, "reason", None) or getattr(error, "strerror", None) or error)
