"""The local authority: strict TLS, private files, reuse, and a bundle with the system's roots."""

import asyncio
import os
import ssl
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from local.certificates import TRUST_VARIABLES, LocalAuthority


async def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> str:
    """Connect over TLS and return the negotiated version."""

    async def close(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    listener = await asyncio.start_server(close, "127.0.0.1", 0, ssl=server)
    port = listener.sockets[0].getsockname()[1]
    try:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=client, server_hostname=name
        )
        version = writer.get_extra_info("ssl_object").version()
        await reader.read()
        writer.close()
        await writer.wait_closed()
    finally:
        listener.close()
        await listener.wait_closed()
    return str(version)


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1", "mail.contoso.test"])
async def test_a_leaf_passes_the_strict_checks_for_each_of_its_names(
    tmp_path: Path, name: str
) -> None:
    authority = LocalAuthority(tmp_path)
    client = authority.client_context()
    assert client.verify_flags & ssl.VERIFY_X509_STRICT
    server = authority.server_context("smtp", ["mail.contoso.test"])
    assert await shake_hands(server, client, name) == "TLSv1.3"


async def test_another_name_and_another_authority_are_refused(tmp_path: Path) -> None:
    authority = LocalAuthority(tmp_path / "one")
    stranger = LocalAuthority(tmp_path / "two")
    server = authority.server_context()
    with pytest.raises(ssl.SSLCertVerificationError, match="not valid for"):
        await shake_hands(server, authority.client_context(), "example.com")
    with pytest.raises(ssl.SSLCertVerificationError):
        await shake_hands(server, stranger.client_context(), "localhost")


async def test_tls_1_1_is_refused(tmp_path: Path) -> None:
    authority = LocalAuthority(tmp_path)
    assert authority.server_context().minimum_version == ssl.TLSVersion.TLSv1_2


def test_keys_are_private(tmp_path: Path) -> None:
    authority = LocalAuthority(tmp_path)
    _, key_path = authority.issue("entra")
    for path in (tmp_path / "ca.key", key_path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "ca.pem").stat().st_mode) == 0o644


def test_a_second_start_reuses_what_is_there(tmp_path: Path) -> None:
    first = LocalAuthority(tmp_path)
    certificate_path, key_path = first.issue("entra")
    before = (tmp_path / "ca.pem").read_bytes(), certificate_path.read_bytes()
    second = LocalAuthority(tmp_path)
    assert second.issue("entra") == (certificate_path, key_path)
    assert ((tmp_path / "ca.pem").read_bytes(), certificate_path.read_bytes()) == before
    second.issue("entra", ["mail.contoso.test"])
    assert certificate_path.read_bytes() != before[1]


def test_a_leaf_is_renewed_before_it_ends_and_after_a_new_authority(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    early = LocalAuthority(tmp_path, clock=lambda: now - timedelta(days=350))
    path, _ = early.issue("entra")
    old = path.read_bytes()
    LocalAuthority(tmp_path).issue("entra")
    renewed = x509.load_pem_x509_certificate(path.read_bytes())
    assert path.read_bytes() != old
    assert renewed.not_valid_after_utc > now + timedelta(days=300)
    (tmp_path / "ca.key").unlink()
    LocalAuthority(tmp_path).issue("entra")
    assert x509.load_pem_x509_certificate(path.read_bytes()) != renewed


def test_a_key_that_is_not_the_certificates_is_refused(tmp_path: Path) -> None:
    LocalAuthority(tmp_path / "one")
    LocalAuthority(tmp_path / "two")
    (tmp_path / "two" / "ca.key").replace(tmp_path / "one" / "ca.key")
    with pytest.raises(ValueError, match="delete the folder"):
        LocalAuthority(tmp_path / "one")


def test_the_bundle_keeps_the_named_roots_and_holds_the_authority_once(tmp_path: Path) -> None:
    roots = LocalAuthority(tmp_path / "system").certificate_path
    ours = tmp_path / "ours"
    first = LocalAuthority(ours, environ={"SSL_CERT_FILE": str(roots)})
    # A child process finds our own bundle in its environment.
    second = LocalAuthority(ours, environ=first.environment())
    bundle = second.bundle_path.read_bytes()
    certificates = x509.load_pem_x509_certificates(bundle)
    assert len(certificates) == 2
    assert bundle.count(first.certificate_path.read_bytes()) == 1
    assert bundle.count(roots.read_bytes()) == 1


def test_the_bundle_falls_back_to_the_machines_roots(tmp_path: Path) -> None:
    authority = LocalAuthority(tmp_path, environ={})
    assert authority.bundle_path.read_bytes().count(b"BEGIN CERTIFICATE") > 50
    assert set(authority.environment()) == set(TRUST_VARIABLES)


def test_a_child_process_trusts_through_the_environment(authority: LocalAuthority) -> None:
    code = "import aiohttp.connector as c; print(c._SSL_CONTEXT_VERIFIED.get_ca_certs())"
    trusted = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **authority.environment()},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert trusted.count("Mailroom local authority") == 2  # its subject and its issuer
