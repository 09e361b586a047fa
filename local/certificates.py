"""The local certificate authority: made at first start, trusted by the stack's own processes only.

Certificates are EC P-256 and pass the strict X.509 checks that Python 3.13 turns on
(RFC 5280 sections 4.2.1.1, 4.2.1.2, 4.2.1.3 and 4.2.1.9: key identifiers, key usage, basic
constraints).
"""

import ipaddress
import os
import ssl
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from local.files import write_whole

LOOPBACK = ("localhost", "127.0.0.1", "::1")
TRUST_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")

_AUTHORITY_LIFE = timedelta(days=3650)
_LEAF_LIFE = timedelta(days=365)
_RENEW_BEFORE = timedelta(days=30)
_BACKDATED = timedelta(hours=1)


class LocalAuthority:
    """A certificate authority kept in a folder, and the bundle that makes clients trust it.

    The folder holds `ca.pem`, `ca.key` (0600), `bundle.pem` (the system's roots and `ca.pem`) and
    a `.pem`/`.key` pair for each issued name.
    """

    def __init__(
        self,
        folder: Path,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self.folder = folder
        self.certificate_path = folder / "ca.pem"
        self.bundle_path = folder / "bundle.pem"
        self._key_path = folder / "ca.key"
        self._clock = clock
        folder.mkdir(parents=True, exist_ok=True)
        self._certificate, self._key = self._load() or self._make()
        write_whole(self.bundle_path, self._trusted_roots(environ) + self._pem())

    def environment(self) -> dict[str, str]:
        """Variables that make a process trust this authority beside the system's roots.

        They must be set before the process imports aiohttp (it reads `SSL_CERT_FILE` once, at
        import) and before it builds any `requests` session.
        """
        return dict.fromkeys(TRUST_VARIABLES, str(self.bundle_path))

    def issue(self, name: str, hosts: Sequence[str] = ()) -> tuple[Path, Path]:
        """Return the certificate and key files of a server, making or renewing them as needed.

        The certificate is good for `localhost`, both loopback addresses and `hosts`
        (DNS names or IP addresses).
        """
        certificate_path = self.folder / f"{name}.pem"
        key_path = self.folder / f"{name}.key"
        wanted = list(dict.fromkeys([*LOOPBACK, *hosts]))
        if key_path.exists() and self._usable(certificate_path, wanted):
            return certificate_path, key_path
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign_leaf(name, wanted, key.public_key())
        write_whole(key_path, _private_pem(key), private=True)
        write_whole(certificate_path, certificate.public_bytes(serialization.Encoding.PEM))
        return certificate_path, key_path

    def server_context(self, name: str = "localhost", hosts: Sequence[str] = ()) -> ssl.SSLContext:
        """A TLS context (1.2 or newer) for a server that shows the certificate `name`."""
        certificate_path, key_path = self.issue(name, hosts)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(certificate_path, key_path)
        return context

    def client_context(self) -> ssl.SSLContext:
        """A TLS context for a client that trusts this authority alone."""
        return ssl.create_default_context(cafile=str(self.certificate_path))

    def _load(self) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None:
        if not (self.certificate_path.exists() and self._key_path.exists()):
            return None
        certificate = x509.load_pem_x509_certificate(self.certificate_path.read_bytes())
        key = serialization.load_pem_private_key(self._key_path.read_bytes(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey) or (
            key.public_key() != certificate.public_key()
        ):
            raise ValueError(
                f"{self._key_path} is not the key of {self.certificate_path}: "
                f"delete the folder {self.folder} and start again"
            )
        if certificate.not_valid_after_utc - _LEAF_LIFE < self._clock():
            return None
        return certificate, key

    def _make(self) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Mailroom local authority")])
        certificate = (
            self._builder(name, name, key.public_key(), _AUTHORITY_LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(authority=True), critical=True)
            .add_extension(_authority_identifier(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        write_whole(self._key_path, _private_pem(key), private=True)
        write_whole(self.certificate_path, certificate.public_bytes(serialization.Encoding.PEM))
        return certificate, key

    def _sign_leaf(
        self, name: str, hosts: Sequence[str], public_key: ec.EllipticCurvePublicKey
    ) -> x509.Certificate:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        return (
            self._builder(subject, self._certificate.subject, public_key, _LEAF_LIFE)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(authority=False), critical=True)
            .add_extension(usage, critical=False)
            .add_extension(names, critical=False)
            .add_extension(_authority_identifier(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )

    def _builder(
        self,
        subject: x509.Name,
        issuer: x509.Name,
        public_key: ec.EllipticCurvePublicKey,
        life: timedelta,
    ) -> x509.CertificateBuilder:
        now = self._clock()
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _BACKDATED)
            .not_valid_after(now + life)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        )

    def _usable(self, certificate_path: Path, hosts: Sequence[str]) -> bool:
        if not certificate_path.exists():
            return False
        certificate = x509.load_pem_x509_certificate(certificate_path.read_bytes())
        issuer = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
        named = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        return (
            certificate.not_valid_after_utc - _RENEW_BEFORE > self._clock()
            and issuer.value == _authority_identifier(self._key.public_key())
            and {_general_name(host) for host in hosts} <= set(named.value)
        )

    def _pem(self) -> bytes:
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    def _trusted_roots(self, environ: Mapping[str, str]) -> bytes:
        """The roots that this machine trusts already, without our own certificate."""
        roots = b""
        for candidate in _root_files(environ):
            if candidate.is_file():
                roots = candidate.read_bytes()
                break
        # A process that runs inside the stack's environment finds our own bundle here.
        return roots.replace(self._pem(), b"").rstrip(b"\n") + b"\n"


def _root_files(environ: Mapping[str, str]) -> list[Path]:
    named = [environ[name] for name in TRUST_VARIABLES if environ.get(name)]
    default = ssl.get_default_verify_paths()
    try:
        import certifi  # only where neither the environment nor OpenSSL names a bundle

        fallback = [certifi.where()]
    except ImportError:
        fallback = []
    files = [*named, *([default.cafile] if default.cafile else []), *fallback]
    return [Path(file) for file in files]


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _authority_identifier(public_key: ec.EllipticCurvePublicKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(public_key)


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
