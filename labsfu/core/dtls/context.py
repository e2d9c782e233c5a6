"""How OpenSSL is set up for WebRTC (RFC 8827 6.5, RFC 5764 4.1)."""

from __future__ import annotations

from functools import lru_cache

from OpenSSL import SSL

from labsfu.core.dtls.certificate import DtlsCertificate
from labsfu.core.dtls.srtp_material import OPENSSL_PROFILES

DTLS_1_2 = 0xFEFD
_CIPHERS = (
    b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    b"ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
    b"ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA"
)


@lru_cache(maxsize=4)
def context_for(certificate: DtlsCertificate) -> SSL.Context:
    """The context that all endpoints with this certificate share.

    The peer must show a certificate, but nothing is asked of it: it is known by its fingerprint. No tickets, no
    sessions: a handshake is always a full one, so the server's flight is always the last. No cookies: ICE has shown
    that the address is the peer's.
    """
    context = SSL.Context(SSL.DTLS_METHOD)
    context.set_min_proto_version(DTLS_1_2)
    context.set_max_proto_version(DTLS_1_2)
    context.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_QUERY_MTU | SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_COMPRESSION)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, _accept_any)
    context.use_certificate(certificate.certificate)
    context.use_privatekey(certificate.private_key)
    context.set_cipher_list(_CIPHERS)
    context.set_tlsext_use_srtp(b":".join(OPENSSL_PROFILES))
    return context


def _accept_any(*_arguments: object) -> bool:
    return True
