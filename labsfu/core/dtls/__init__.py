"""The second gate of a WebRTC transport: DTLS 1.2 with use_srtp (RFC 6347, RFC 5764, RFC 8827 6.5)."""
