"""TLS for the sandbox on a socket: a server certificate for this machine, and client certificates of its own authority."""

from __future__ import annotations

import os
import ssl
import tempfile
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding

from .parties import Authority, KeyMaker, private_pem

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import rsa

__all__ = ["client_context", "server_context"]


def server_context(authority: Authority, make_key: KeyMaker) -> ssl.SSLContext:
    """A server's context: a client may show a certificate; one that is not this authority's, or expired, ends the handshake."""
    key = make_key()
    certificate = authority.issue("localhost", key.public_key(), datetime.now(UTC) - timedelta(days=1), timedelta(days=30), host=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load_pair(context, certificate, key)
    context.load_verify_locations(cadata=authority.pem)
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


def client_context(
    authority: Authority, certificate: x509.Certificate | None = None, key: rsa.RSAPrivateKey | None = None
) -> ssl.SSLContext:
    """A client's context that trusts the sandbox alone, and shows a certificate where one is given."""
    context = ssl.create_default_context(cadata=authority.pem)
    if certificate is not None and key is not None:
        _load_pair(context, certificate, key)
    return context


def _load_pair(context: ssl.SSLContext, certificate: x509.Certificate, key: rsa.RSAPrivateKey) -> None:
    # The TLS library reads files alone: they are there, readable by this user alone, for that moment.
    handle, path = tempfile.mkstemp(suffix=".pem")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(certificate.public_bytes(Encoding.PEM) + private_pem(key).encode())
        context.load_cert_chain(path)
    finally:
        os.unlink(path)
