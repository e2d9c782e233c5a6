"""The first gate of a WebRTC transport: ICE, lite (RFC 8445 2.5)."""
