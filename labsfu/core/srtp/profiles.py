"""The SRTP protection profiles we speak (RFC 3711 8.2, RFC 7714 12)."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from pylibsrtp import Policy

SrtpProfile: TypeAlias = Literal["AEAD_AES_256_GCM", "AEAD_AES_128_GCM", "AES_CM_128_HMAC_SHA1_80"]


class ProfileSizes(NamedTuple):
    """What a profile takes and adds, in bytes.

    Attributes:
        libsrtp: libsrtp's number of the profile.
        key: master key.
        salt: master salt; it follows the key in a `key_salt`.
        tag: authentication tag; an SRTP packet is that much longer, an SRTCP packet another 4 (its index).
    """

    libsrtp: int
    key: int
    salt: int
    tag: int

    @property
    def key_salt(self) -> int:
        """Bytes of master key and master salt together."""
        return self.key + self.salt


PROFILES: dict[SrtpProfile, ProfileSizes] = {
    "AEAD_AES_256_GCM": ProfileSizes(Policy.SRTP_PROFILE_AEAD_AES_256_GCM, 32, 12, 16),
    "AEAD_AES_128_GCM": ProfileSizes(Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 16, 12, 16),
    "AES_CM_128_HMAC_SHA1_80": ProfileSizes(Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 16, 14, 10),
}
