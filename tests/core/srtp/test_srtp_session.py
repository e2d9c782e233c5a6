"""What a receiving session lets through, what it refuses and why, and how it survives a roll-over."""

from __future__ import annotations

import random
import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pylibsrtp import Policy, Session

from labsfu.core.srtp.buffer import SrtpBuffer
from labsfu.core.srtp.profiles import PROFILES, SrtpProfile
from labsfu.core.srtp.session import REPLAY_WINDOW, ProtectError, SrtpReceiver, SrtpSender
from labsfu.errors import Malformed

GCM: SrtpProfile = "AEAD_AES_128_GCM"
SSRC = 0x12345678
each_profile = pytest.mark.parametrize("profile", PROFILES)


def key_salt(profile: SrtpProfile, start: int = 0) -> bytes:
    return bytes(range(start, start + PROFILES[profile].key_salt))


def rtp(sequence: int, *, ssrc: int = SSRC, payload: bytes = b"payload") -> bytes:
    return struct.pack("!BBHII", 0x80, 96, sequence & 0xFFFF, 1000, ssrc) + payload


RTCP = struct.pack("!BBHII", 0x81, 201, 7, SSRC, 99) + bytes(20)


class Line:
    """A sender, a receiver with its key, and one buffer that both work in."""

    def __init__(self, profile: SrtpProfile = GCM) -> None:
        self.sender = SrtpSender(profile, key_salt(profile))
        self.receiver = SrtpReceiver(profile, key_salt(profile))
        self.buffer = SrtpBuffer()

    def protect(self, packet: bytes) -> bytes:
        length = self.sender.protect_rtp(self.buffer, self.buffer.load(packet))
        return bytes(self.buffer.view[:length])

    def unprotect(self, packet: bytes) -> bytes:
        length = self.receiver.unprotect_rtp(self.buffer, self.buffer.load(packet))
        return bytes(self.buffer.view[:length])

    def unprotect_first(self, packet: bytes) -> bytes:
        length = self.receiver.unprotect_first_rtp(self.buffer, self.buffer.load(packet))
        return bytes(self.buffer.view[:length])

    def refusal(self, packet: bytes) -> str:
        with pytest.raises(Malformed) as refusal:
            self.unprotect(packet)
        return refusal.value.reason


@each_profile
def test_packets_come_back_in_place_and_the_high_level_api_agrees(profile: SrtpProfile) -> None:
    line = Line(profile)
    policies = [Policy(key_salt(profile), kind, 0, PROFILES[profile].libsrtp) for kind in (3, 2)]
    theirs_out, theirs_in = (Session(policy) for policy in policies)
    packet = rtp(5, payload=bytes(1000))
    protected = line.protect(packet)
    assert protected == theirs_out.protect(packet)
    assert theirs_in.unprotect(protected) == packet
    assert line.unprotect(protected) == packet
    length = line.sender.protect_rtcp(line.buffer, line.buffer.load(RTCP))
    assert bytes(line.buffer.view[:length]) == theirs_out.protect_rtcp(RTCP)
    assert bytes(line.buffer.view[: line.receiver.unprotect_rtcp(line.buffer, length)]) == RTCP


@pytest.mark.rfc("RFC 3711 3.3")
@each_profile
def test_a_changed_bit_anywhere_is_refused_and_the_packet_itself_still_passes(profile: SrtpProfile) -> None:
    line = Line(profile)
    packet = rtp(5)
    protected = line.protect(packet)
    for position in range(2, len(protected)):
        changed = bytearray(protected)
        changed[position] ^= 1
        assert line.refusal(bytes(changed)) == "srtp-auth-failed"
    assert line.unprotect(protected) == packet


def test_another_key_is_refused() -> None:
    line = Line()
    line.receiver = SrtpReceiver(GCM, key_salt(GCM, 1))
    assert line.refusal(line.protect(rtp(5))) == "srtp-auth-failed"


@pytest.mark.rfc("RFC 3711 3.3.2")
def test_a_replay_is_refused_inside_the_window_and_behind_it() -> None:
    line = Line()
    first, last = line.protect(rtp(1)), line.protect(rtp(2 + REPLAY_WINDOW))
    late = line.protect(rtp(3 + REPLAY_WINDOW - 1))
    line.unprotect(last)
    assert line.refusal(first) == "srtp-too-old"
    assert line.refusal(last) == "srtp-replay"
    assert line.refusal(late) == "srtp-replay"


@pytest.mark.rfc("RFC 3711 3.3.2")
def test_packets_as_late_as_the_window_pass_once() -> None:
    line = Line()
    early, newest = line.protect(rtp(10)), line.protect(rtp(9 + REPLAY_WINDOW))
    line.unprotect(newest)
    assert line.unprotect(early) == rtp(10)
    assert line.refusal(early) == "srtp-replay"


@pytest.mark.rfc("RFC 3711 3.3.2")
def test_an_srtcp_replay_is_refused() -> None:
    line = Line()
    length = line.sender.protect_rtcp(line.buffer, line.buffer.load(RTCP))
    protected = bytes(line.buffer.view[:length])
    line.receiver.unprotect_rtcp(line.buffer, length)
    with pytest.raises(Malformed, match="srtcp-replay"):
        line.receiver.unprotect_rtcp(line.buffer, line.buffer.load(protected))


def test_a_retransmission_protects_to_the_same_bytes_unless_it_is_behind_the_window() -> None:
    line = Line()
    protected = line.protect(rtp(5))
    line.protect(rtp(4 + REPLAY_WINDOW))
    assert line.protect(rtp(5)) == protected
    line.protect(rtp(6 + REPLAY_WINDOW))
    with pytest.raises(ProtectError) as refusal:
        line.protect(rtp(5))
    assert refusal.value.reason == "srtp-too-old"


@pytest.mark.rfc("RFC 3711 3.3.1")
@each_profile
def test_a_stream_crosses_many_roll_overs_with_loss(profile: SrtpProfile) -> None:
    line = Line(profile)
    for index in range(60000, 5 * 65536, 977):
        packet = rtp(index)
        protected = line.protect(packet)
        if index % 3:
            assert line.unprotect(protected) == packet


@pytest.mark.rfc("RFC 3711 3.3.1")
@each_profile
@pytest.mark.parametrize(("first", "lost"), [(65535, 1), (65534, 2), (65500, 50), (65534, 3000), (65535, 32767)])
def test_a_stream_whose_first_packets_are_lost_at_the_roll_over_decrypts(
    profile: SrtpProfile, first: int, lost: int
) -> None:
    line = Line(profile)
    for index in range(first, first + lost):
        line.protect(rtp(index))
    assert line.unprotect_first(line.protect(rtp(first + lost))) == rtp(first + lost)
    for index in range(first + lost + 1, first + lost + 50):
        assert line.unprotect(line.protect(rtp(index))) == rtp(index)


def test_without_the_first_packets_way_such_a_stream_is_lost() -> None:
    line = Line()
    protected = [line.protect(rtp(index)) for index in range(65534, 65540)]
    assert [line.refusal(packet) for packet in protected[2:]] == ["srtp-auth-failed"] * 4


def test_a_packet_from_before_the_roll_over_may_still_come_after_the_first() -> None:
    line = Line()
    protected = [line.protect(rtp(index)) for index in range(65533, 65538)]
    line.unprotect_first(protected[4])
    assert line.unprotect(protected[1]) == rtp(65534)


@each_profile
@pytest.mark.parametrize("first", [0, 1, 32767, 32768, 65534, 65535])
def test_a_stream_may_start_anywhere(profile: SrtpProfile, first: int) -> None:
    line = Line(profile)
    packets = [rtp(first + step) for step in range(5)]
    protected = [line.protect(packet) for packet in packets]
    assert line.unprotect_first(protected[0]) == packets[0]
    assert [line.unprotect(packet) for packet in protected[1:]] == packets[1:]


@pytest.mark.parametrize("first", [0, 40000])
def test_a_forged_first_packet_leaves_no_trace(first: int) -> None:
    line = Line()
    forged = rtp(first, payload=bytes(40))
    for _ in range(2):
        with pytest.raises(Malformed, match="srtp-auth-failed"):
            line.unprotect_first(forged)
    assert not line.receiver.remove_stream(SSRC)
    assert line.unprotect_first(line.protect(rtp(first))) == rtp(first)


def test_a_forged_packet_cannot_move_or_end_a_stream_that_has_begun() -> None:
    line = Line()
    begun = line.protect(rtp(40000))
    line.unprotect_first(begun)
    with pytest.raises(Malformed, match="srtp-auth-failed"):
        line.unprotect_first(rtp(5, payload=bytes(40)))
    assert line.refusal(begun) == "srtp-replay"
    assert line.unprotect(line.protect(rtp(40001))) == rtp(40001)


def test_streams_are_apart_and_a_removed_one_may_start_again() -> None:
    line = Line()
    ours, other = line.protect(rtp(7)), line.protect(rtp(7, ssrc=9))
    line.unprotect(ours)
    line.unprotect(other)
    assert line.refusal(ours) == "srtp-replay"
    assert line.receiver.remove_stream(SSRC)
    assert not line.receiver.remove_stream(SSRC)
    assert line.unprotect(ours) == rtp(7)
    assert line.refusal(other) == "srtp-replay"
    assert line.sender.remove_stream(9)
    assert not line.sender.remove_stream(10)


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (b"", "srtp-too-short"),
        (b"\x80", "srtp-too-short"),
        (rtp(1)[:11], "srtp-too-short"),
        (b"\x8f" + rtp(1)[1:], "srtp-too-short"),  # fifteen CSRCs announced
    ],
)
def test_what_cannot_hold_a_header_is_too_short(packet: bytes, reason: str) -> None:
    assert Line().refusal(packet) == reason


@each_profile
@pytest.mark.parametrize("size", range(12, 30))
def test_a_packet_without_room_for_its_tag_is_refused(profile: SrtpProfile, size: int) -> None:
    assert Line(profile).refusal(rtp(1, payload=bytes(20))[:size]).startswith("srtp-")


@given(st.binary(max_size=300), st.sampled_from(sorted(PROFILES)), st.booleans())
def test_any_bytes_are_malformed_and_nothing_else(data: bytes, profile: SrtpProfile, is_rtcp: bool) -> None:
    line = Line(profile)
    unprotect = line.receiver.unprotect_rtcp if is_rtcp else line.receiver.unprotect_first_rtp
    with pytest.raises(Malformed):
        unprotect(line.buffer, line.buffer.load(data))


def test_lengths_beyond_the_buffer_never_reach_libsrtp() -> None:
    line = Line()
    buffer = SrtpBuffer(1500)
    buffer.load(rtp(1))
    with pytest.raises(ProtectError, match="srtp-too-long"):
        line.sender.protect_rtp(buffer, buffer.limit + 1)
    with pytest.raises(ProtectError, match="srtcp-too-long"):
        line.sender.protect_rtcp(buffer, buffer.limit + 1)
    with pytest.raises(Malformed, match="srtp-too-long"):
        line.receiver.unprotect_rtp(buffer, 1501)
    with pytest.raises(Malformed, match="srtcp-too-long"):
        line.receiver.unprotect_rtcp(buffer, 1501)
    assert line.sender.protect_rtp(buffer, buffer.limit) == buffer.limit + 16
    with pytest.raises(ValueError, match="different structures"):
        buffer.load(bytes(1501))


def test_what_is_no_rtp_cannot_be_protected() -> None:
    with pytest.raises(ProtectError, match="srtp-too-short"):
        Line().protect(b"\x80")


@each_profile
def test_key_and_salt_have_the_profiles_size(profile: SrtpProfile) -> None:
    assert PROFILES[profile].key_salt == {"AEAD_AES_256_GCM": 44, "AEAD_AES_128_GCM": 28}.get(profile, 30)
    with pytest.raises(ValueError, match=profile):
        SrtpSender(profile, key_salt(profile)[:-1])
    with pytest.raises(ValueError, match=profile):
        SrtpReceiver(profile, key_salt(profile) + b"\0")


def test_heavy_reordering_and_loss_never_let_a_packet_through_twice() -> None:
    line, noise = Line(), random.Random(4)
    protected = [line.protect(rtp(index)) for index in range(65000, 66500)]
    delayed = sorted(range(len(protected)), key=lambda index: index + noise.uniform(0, 400))
    passed: list[int] = []
    for index in delayed + delayed:
        with suppress(Malformed):
            line.unprotect(protected[index])
            passed.append(index)
    assert sorted(passed) == list(range(len(protected)))
