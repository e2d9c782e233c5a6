"""STUN Binding messages as ICE uses them (RFC 8489, RFC 8445)."""
