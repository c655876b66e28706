"""A service that answers in another way than it is asked is told so."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from account_reviews.config import ports
from account_reviews.config.settings import Settings
from account_reviews.domain.errors import UnreachableError
from account_reviews.local.temporal_server import TemporalServer
from account_reviews.temporal.client import connect


@pytest.fixture
async def tls_address(tmp_path: Path) -> AsyncIterator[str]:
    """Where something speaks TLS, with a certificate that nobody signed."""
    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]),
    )
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=400))
        .not_valid_after(now + timedelta(days=400))
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "both.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    context.set_alpn_protocols(["h2"])

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, ports.LOOPBACK, 0, ssl=context)
    yield f"{ports.LOOPBACK}:{server.sockets[0].getsockname()[1]}"
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("variable", ["TEMPORAL_TLS", "TEMPORAL_API_KEY"])
async def test_tls_towards_a_plain_server(
    temporal_server: TemporalServer, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal_server.address)
    monkeypatch.setenv(variable, "true")
    with pytest.raises(UnreachableError, match=f"without TLS only, and {variable} asks for TLS"):
        await connect(Settings())


async def test_no_tls_towards_a_server_that_has_it(
    tls_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", tls_address)
    with pytest.raises(UnreachableError, match="answers over TLS only, and none was asked for"):
        await connect(Settings())
    monkeypatch.setenv("TEMPORAL_TLS", "true")
    with pytest.raises(UnreachableError, match="not with what TEMPORAL_TLS gives"):
        await connect(Settings())


async def test_where_nobody_listens_nothing_is_said_of_tls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", f"{ports.LOOPBACK}:{ports.any_free()}")
    monkeypatch.setenv("TEMPORAL_TLS", "true")
    with pytest.raises(UnreachableError, match="does not answer at"):
        await connect(Settings())
