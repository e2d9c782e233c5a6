"""The third gate of a WebRTC transport: SRTP and SRTCP (RFC 3711, RFC 7714)."""
