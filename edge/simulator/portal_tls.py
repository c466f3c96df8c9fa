"""A certificate authority of its own for the reference portal: the server's certificate and the villages' own."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_VALID = timedelta(days=3650)


@dataclass(frozen=True)
class Span:
    """From when until when a certificate is valid."""

    since: datetime
    until: datetime


@dataclass(frozen=True)
class Files:
    """Where the authority, the server's certificate and its key were written."""

    ca: Path
    cert: Path
    key: Path

    def server_context(self, *, clients: bool = False) -> ssl.SSLContext:
        """The server's side of TLS; `clients` takes a village's certificate from who has one."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.cert, self.key)
        if clients:
            context.load_verify_locations(self.ca)
            context.verify_mode = ssl.CERT_OPTIONAL
        return context


def span(days: float = _VALID.days, *, since_days: float = -1) -> Span:
    """Valid from `since_days` from now (negative: ago) until `days` from now (negative: expired)."""
    now = datetime.now(UTC)
    return Span(now + timedelta(days=since_days), now + timedelta(days=days))


def made(directory: Path, names: Sequence[str]) -> Files:
    """The files of an earlier start, else new ones: a box keeps trusting a portal that was started again."""
    files = _files(directory)
    kept = all(path.exists() for path in (files.ca, files.cert, files.key, directory / "ca-key.pem"))
    return files if kept else make(directory, names)


def make(directory: Path, names: Sequence[str], valid: Span | None = None) -> Files:
    """Write ca.pem, ca-key.pem, cert.pem and key.pem (keys 0600) for DNS names or IP addresses into `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    files = _files(directory)
    authority_key = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kampung-edge demo authority")])
    authority = (
        _certificate(issuer, issuer, authority_key.public_key(), span())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    files.ca.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    _write_key(directory / "ca-key.pem", authority_key)
    server(files, names, valid)
    return files


def server(files: Files, names: Sequence[str], valid: Span | None = None) -> None:
    """A new certificate of the server, from the authority that is there."""
    general = x509.SubjectAlternativeName([_general(name) for name in names])
    _issue(files, files.cert, files.key, "kampung-edge demo portal", ExtendedKeyUsageOID.SERVER_AUTH, valid, general)


def client(files: Files, village: str, valid: Span | None = None) -> tuple[Path, Path]:
    """A certificate for a village (its code is the common name), beside the authority: certificate and key."""
    certificate, key = (files.ca.with_name(f"client-{village}{suffix}.pem") for suffix in ("", "-key"))
    _issue(files, certificate, key, village, ExtendedKeyUsageOID.CLIENT_AUTH, valid)
    return certificate, key


def _files(directory: Path) -> Files:
    return Files(directory / "ca.pem", directory / "cert.pem", directory / "key.pem")


def _issue(
    files: Files,
    certificate: Path,
    key: Path,
    name: str,
    use: x509.ObjectIdentifier,
    valid: Span | None,
    *extensions: x509.ExtensionType,
) -> None:
    authority = x509.load_pem_x509_certificate(files.ca.read_bytes())
    authority_key = serialization.load_pem_private_key(files.ca.with_name("ca-key.pem").read_bytes(), None)
    assert isinstance(authority_key, ec.EllipticCurvePrivateKey)  # noqa: S101 - `make` wrote it
    identifier = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    own = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        _certificate(subject, authority.subject, own.public_key(), valid or span())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    certificate.write_bytes(builder.sign(authority_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    _write_key(key, own)


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    path.touch(0o600)
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, valid: Span
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid.since)
        .not_valid_after(valid.until)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
