"""The node's certificate in real TLS handshakes over memory, and what the roster must not let in."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

from node.errors import InvalidRequest
from node.keys.certificates import TlsPair, certificate_digest, check_certificate, new_tls_pair
from node.names import NodeId
from tests.kit.clock import NOON

PEM = serialization.Encoding.PEM


def pair_of(name: str) -> TlsPair:
    return new_tls_pair(NodeId(name), now=NOON)


def forge(
    name: str,
    *,
    issuer: TlsPair | None = None,
    ca: bool = False,
    key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | None = None,
) -> TlsPair:
    """A certificate that no node of ours would make."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer, signer_name = key, subject
    if issuer is not None:
        loaded = serialization.load_pem_private_key(issuer.key.encode(), None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)
        signer, signer_name = loaded, x509.load_pem_x509_certificate(issuer.certificate.encode()).subject
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer_name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2090, 1, 1, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(True, False, False, False, False, ca, False, False, False), critical=True
        )
        .sign(signer, None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    )
    private = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return TlsPair(certificate=certificate.public_bytes(PEM).decode(), key=private.decode())


def shakes_hands(
    folder: Path, server: TlsPair, client: TlsPair, *, trusted: list[TlsPair], name: str
) -> bool:
    """Mutual TLS 1.3 between two memory buffers; both sides trust the same list."""
    contexts = []
    for purpose, pair in ((ssl.Purpose.CLIENT_AUTH, server), (ssl.Purpose.SERVER_AUTH, client)):
        context = ssl.create_default_context(purpose, cadata="".join(each.certificate for each in trusted))
        context.verify_mode = ssl.CERT_REQUIRED
        (folder / "both.pem").write_text(pair.key + pair.certificate)
        context.load_cert_chain(folder / "both.pem")
        contexts.append(context)
    a, b = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        contexts[0].wrap_bio(a, b, server_side=True),
        contexts[1].wrap_bio(b, a, server_hostname=name),
    ]
    done: set[int] = set()
    for _ in range(10):
        for n, end in enumerate(ends):
            try:
                end.do_handshake()
                done.add(n)
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError:
                return False
    return done == {0, 1}


@pytest.mark.parametrize("name", ["centre", "localhost"])
def test_two_nodes_of_one_trust_list_shake_hands(tmp_path: Path, name: str) -> None:
    centre, alpha = pair_of("centre"), pair_of("alpha")
    assert shakes_hands(tmp_path, centre, alpha, trusted=[centre, alpha], name=name)


def test_a_stranger_is_shut_out_on_either_side(tmp_path: Path) -> None:
    centre, alpha, stranger = pair_of("centre"), pair_of("alpha"), pair_of("alpha")
    trusted = [centre, alpha]
    assert not shakes_hands(tmp_path, centre, stranger, trusted=trusted, name="centre")
    assert not shakes_hands(tmp_path, pair_of("centre"), alpha, trusted=trusted, name="centre")


def test_a_member_cannot_vouch_for_another_name(tmp_path: Path) -> None:
    centre, alpha = pair_of("centre"), pair_of("alpha")
    forged = forge("centre", issuer=alpha)
    assert not shakes_hands(tmp_path, forged, alpha, trusted=[centre, alpha], name="centre")


def test_the_guard_against_vouching_certificates_has_something_to_guard(tmp_path: Path) -> None:
    centre, greedy = pair_of("centre"), forge("greedy", ca=True)
    forged = forge("centre", issuer=greedy)
    both = TlsPair(certificate=forged.certificate, key=forged.key)
    assert shakes_hands(tmp_path, both, centre, trusted=[centre, greedy], name="centre")
    with pytest.raises(InvalidRequest, match="could sign for other nodes"):
        check_certificate(greedy.certificate)


def test_certificates_that_no_node_makes_are_refused() -> None:
    good = pair_of("alpha")
    check_certificate(good.certificate)
    faults = {
        "not one PEM certificate": [
            good.certificate * 2,
            good.certificate + "\n",
            good.key,
            "",
            "# a comment\n" + good.certificate,
        ],
        "not P-256": [
            forge("alpha", key=ec.generate_private_key(ec.SECP384R1())).certificate,
            forge("alpha", key=ed25519.Ed25519PrivateKey.generate()).certificate,
        ],
        "refused": [
            forge("beta", issuer=good).certificate,
            good.certificate.replace("M", "N", 1),
        ],
    }
    for words, certificates in faults.items():
        for certificate in certificates:
            with pytest.raises(InvalidRequest, match=words):
                check_certificate(certificate)


def test_the_digest_is_that_of_the_der_bytes() -> None:
    pem = pair_of("alpha").certificate
    der = x509.load_pem_x509_certificate(pem.encode())
    assert certificate_digest(pem) == der.fingerprint(hashes.SHA256()).hex()


def test_the_certificate_names_the_node_and_this_machine() -> None:
    certificate = x509.load_pem_x509_certificate(pair_of("alpha").certificate.encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["alpha", "localhost"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    assert certificate.not_valid_after_utc.year == 9999
