"""Our SRTP against an implementation of this file's own on `cryptography`, which the RFCs' vectors have proved first.

RFC 7714's packets cannot be fed to a session: they are made with session keys, and a session takes master keys.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from labsfu.core.srtp.buffer import SrtpBuffer
from labsfu.core.srtp.profiles import PROFILES, SrtpProfile
from labsfu.core.srtp.session import SrtpReceiver, SrtpSender

KEY_SALT = bytes(range(1, 45))
RTP_KEY, RTP_AUTH, RTP_SALT, RTCP_KEY, RTCP_AUTH, RTCP_SALT = range(6)
RTP = bytes.fromhex(
    "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573"
)
RTCP = bytes.fromhex(
    "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef"
)


class Keys(NamedTuple):
    key: bytes
    auth: bytes
    salt: bytes


def xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def keystream(key: bytes, iv: bytes, data: bytes) -> bytes:
    return Cipher(algorithms.AES(key), modes.CTR(iv)).encryptor().update(data)


def derive(key: bytes, salt: bytes, label: int, length: int) -> bytes:
    """RFC 3711 4.3; for a 96-bit salt RFC 7714 11, which pads it on the right."""
    block = xor(salt.ljust(14, b"\0"), bytes(7) + bytes([label]) + bytes(6))
    return keystream(key, block + bytes(2), bytes(length))


def session_keys(profile: SrtpProfile, key_salt: bytes, first_label: int) -> Keys:
    sizes = PROFILES[profile]
    key, salt = key_salt[: sizes.key], key_salt[sizes.key :]
    derived = [derive(key, salt, first_label + part, size) for part, size in enumerate((sizes.key, 20, sizes.salt))]
    return Keys(*derived)


def gcm_rtp(keys: Keys, packet: bytes, roc: int) -> bytes:
    """RFC 7714 8.1, 8.2."""
    iv = xor(bytes(2) + packet[8:12] + struct.pack("!I", roc) + packet[2:4], keys.salt)
    return packet[:12] + AESGCM(keys.key).encrypt(iv, packet[12:], packet[:12])


def gcm_rtcp(keys: Keys, packet: bytes, index: int) -> bytes:
    """RFC 7714 9.1, 9.2."""
    iv = xor(bytes(2) + packet[4:8] + bytes(2) + struct.pack("!I", index), keys.salt)
    trailer = struct.pack("!I", 0x80000000 | index)
    return packet[:8] + AESGCM(keys.key).encrypt(iv, packet[8:], packet[:8] + trailer) + trailer


def cm_iv(keys: Keys, ssrc: bytes, index: int) -> bytes:
    """RFC 3711 4.1.1."""
    return xor(keys.salt + bytes(2), bytes(4) + ssrc + index.to_bytes(6, "big") + bytes(2))


def cm_rtp(keys: Keys, packet: bytes, roc: int) -> bytes:
    """RFC 3711 3.1, 4.2."""
    index = roc << 16 | int.from_bytes(packet[2:4], "big")
    encrypted = packet[:12] + keystream(keys.key, cm_iv(keys, packet[8:12], index), packet[12:])
    return encrypted + hmac.digest(keys.auth, encrypted + struct.pack("!I", roc), "sha1")[:10]


def cm_rtcp(keys: Keys, packet: bytes, index: int) -> bytes:
    """RFC 3711 3.4, 4.2."""
    encrypted = packet[:8] + keystream(keys.key, cm_iv(keys, packet[4:8], index), packet[8:])
    encrypted += struct.pack("!I", 0x80000000 | index)
    return encrypted + hmac.digest(keys.auth, encrypted, "sha1")[:10]


@pytest.mark.rfc("RFC 3711 B.3")
def test_the_oracle_derives_the_keys_of_rfc3711() -> None:
    key = bytes.fromhex("E1F97A0D3E018BE0D64FA32C06DE4139")
    salt = bytes.fromhex("0EC675AD498AFEEBB6960B3AABE6")
    assert derive(key, salt, RTP_KEY, 16).hex().upper() == "C61E7A93744F39EE10734AFE3FF7A087"
    assert derive(key, salt, RTP_SALT, 14).hex().upper() == "30CBBC08863D8C85D49DB34A9AE1"
    assert derive(key, salt, RTP_AUTH, 20).hex().upper() == "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"


@pytest.mark.rfc("RFC 7714 16.1.1", "RFC 7714 17.1")
def test_the_oracle_makes_the_packets_of_rfc7714() -> None:
    keys = Keys(bytes(range(16)), b"", b"Quid pro quo")
    assert gcm_rtp(keys, RTP, 0).hex() == (
        "8040f17b8041f8d35501a0b2"
        "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833"
        "899d7f27beb16a9152cf765ee4390cce"
    )
    assert gcm_rtcp(keys, RTCP, 0x5D4).hex() == (
        "81c8000d4d617273"
        "63e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded0bb9275b"
        "c84aa45896cf4d2fc5abf87245d9eade800005d4"
    )


@pytest.mark.rfc("RFC 3711 3.1", "RFC 3711 4.3", "RFC 7714 8", "RFC 7714 11", "RFC 7714 12")
@pytest.mark.parametrize("profile", PROFILES)
def test_srtp_packets_are_the_oracles_across_the_roll_over(profile: SrtpProfile) -> None:
    key_salt = KEY_SALT[: PROFILES[profile].key_salt]
    keys = session_keys(profile, key_salt, RTP_KEY)
    sender, receiver, buffer = SrtpSender(profile, key_salt), SrtpReceiver(profile, key_salt), SrtpBuffer()
    for roc, sequence in ((0, 65534), (0, 65535), (1, 0), (1, 1), (1, 30000), (1, 60000), (2, 3)):
        packet = RTP[:2] + struct.pack("!H", sequence) + RTP[4:]
        expected = (gcm_rtp if "GCM" in profile else cm_rtp)(keys, packet, roc)
        length = sender.protect_rtp(buffer, buffer.load(packet))
        assert bytes(buffer.view[:length]) == expected
        length = receiver.unprotect_rtp(buffer, buffer.load(expected))
        assert bytes(buffer.view[:length]) == packet
        assert len(expected) - len(packet) == PROFILES[profile].tag


@pytest.mark.rfc("RFC 3711 3.4", "RFC 7714 9")
@pytest.mark.parametrize("profile", PROFILES)
def test_srtcp_packets_are_the_oracles(profile: SrtpProfile) -> None:
    key_salt = KEY_SALT[: PROFILES[profile].key_salt]
    keys = session_keys(profile, key_salt, RTCP_KEY)
    sender, receiver, buffer = SrtpSender(profile, key_salt), SrtpReceiver(profile, key_salt), SrtpBuffer()
    for index in (1, 2, 3):
        expected = (gcm_rtcp if "GCM" in profile else cm_rtcp)(keys, RTCP, index)
        length = sender.protect_rtcp(buffer, buffer.load(RTCP))
        assert bytes(buffer.view[:length]) == expected
        length = receiver.unprotect_rtcp(buffer, buffer.load(expected))
        assert bytes(buffer.view[:length]) == RTCP
        assert len(expected) - len(RTCP) == PROFILES[profile].tag + 4


def test_no_two_derived_keys_are_equal() -> None:
    labels = (RTP_KEY, RTP_AUTH, RTP_SALT, RTCP_KEY, RTCP_AUTH, RTCP_SALT)
    derived = [derive(KEY_SALT[:16], KEY_SALT[16:30], label, 16) for label in labels]
    assert len({hashlib.sha1(key).digest() for key in derived}) == 6
