"""SRTP keys out of a finished handshake (RFC 5764 4.2; profiles of RFC 5764 4.1.2 and RFC 7714 14.2)."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

import msgspec

from labsfu.core.dtls.state import DtlsRole

SrtpProfile: TypeAlias = Literal["AEAD_AES_256_GCM", "AEAD_AES_128_GCM", "AES_CM_128_HMAC_SHA1_80"]
EXPORTER_LABEL = b"EXTRACTOR-dtls_srtp"


class KeySizes(NamedTuple):
    """Bytes of a profile's master key and master salt."""

    profile: SrtpProfile
    key: int
    salt: int


OPENSSL_PROFILES: dict[bytes, KeySizes] = {
    b"SRTP_AEAD_AES_256_GCM": KeySizes("AEAD_AES_256_GCM", 32, 12),
    b"SRTP_AEAD_AES_128_GCM": KeySizes("AEAD_AES_128_GCM", 16, 12),
    b"SRTP_AES128_CM_SHA1_80": KeySizes("AES_CM_128_HMAC_SHA1_80", 16, 14),
}
"""What we offer and accept, by OpenSSL's names, best first."""


class SrtpMaterial(msgspec.Struct, frozen=True):
    """What both SRTP sessions of a transport are made from.

    Attributes:
        profile: the negotiated protection profile.
        local_key_salt: master key and master salt, one behind the other, of what we send.
        remote_key_salt: the same of what the peer sends.
    """

    profile: SrtpProfile
    local_key_salt: bytes
    remote_key_salt: bytes


def split_material(exported: bytes, sizes: KeySizes, role: DtlsRole) -> SrtpMaterial:
    """Sort the exporter's output: client key, server key, client salt, server salt (RFC 5764 4.2)."""
    keys, salts = exported[: 2 * sizes.key], exported[2 * sizes.key :]
    client = keys[: sizes.key] + salts[: sizes.salt]
    server = keys[sizes.key :] + salts[sizes.salt :]
    if role is DtlsRole.CLIENT:
        return SrtpMaterial(sizes.profile, client, server)
    return SrtpMaterial(sizes.profile, server, client)
