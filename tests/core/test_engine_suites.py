"""Media through the engine with each SRTP protection profile, in both DTLS roles: invented time."""

from __future__ import annotations

import pytest

from labsfu.core.dtls.state import DtlsRole as EndpointRole
from labsfu.core.rtcp.pli import PictureLossIndication
from labsfu.core.rtcp.reports import SenderReport
from labsfu.wire.events import DtlsStateChanged
from labsfu.wire.transport import DtlsState
from tests.support.lab import Lab, Peer
from tests.support.media import KEY_FRAME, consume, header_of, payload_of, produce, video_packet, video_parameters

# RFC 7714 14.2 and RFC 5764 4.1.2, by OpenSSL's names: what an SRTP packet grows by
PROFILES = {
    b"SRTP_AEAD_AES_256_GCM": ("AEAD_AES_256_GCM", 16),
    b"SRTP_AEAD_AES_128_GCM": ("AEAD_AES_128_GCM", 16),
    b"SRTP_AES128_CM_SHA1_80": ("AES_CM_128_HMAC_SHA1_80", 10),
}
ONE_THAT_WE_LACK = b"SRTP_AES128_CM_SHA1_32"


def sent_to(lab: Lab, peer: Peer) -> list[bytes]:
    return [data for address, data in lab.sent if address == peer.address]


@pytest.mark.rfc("RFC 5764 4.1.2", "RFC 7714 14.2")
@pytest.mark.parametrize("role", list(EndpointRole))
@pytest.mark.parametrize("upstream_profile", PROFILES)
@pytest.mark.parametrize("downstream_profile", PROFILES)
def test_media_and_reports_pass_between_any_two_profiles(
    role: EndpointRole, upstream_profile: bytes, downstream_profile: bytes
) -> None:
    lab = Lab()
    sender, upstream = lab.connected_peer(role, profile=upstream_profile)
    receiver, downstream = lab.connected_peer(role, profile=downstream_profile)
    for peer, profile in ((sender, upstream_profile), (receiver, downstream_profile)):
        assert peer.dtls.srtp_material().profile == PROFILES[profile][0]
    ssrc = consume(lab, downstream, produce(lab, upstream, video_parameters())).rtp_parameters.encodings[0].ssrc
    before = len(sent_to(lab, receiver))
    for number in range(65530, 65530 + 12):  # over the roll-over
        sender.send_rtp(video_packet(number & 0xFFFF, KEY_FRAME))
    lab.pump()
    assert [payload_of(packet) for packet in receiver.rtp] == [KEY_FRAME] * 12
    assert {header_of(packet).ssrc for packet in receiver.rtp} == {ssrc}
    encrypted = sent_to(lab, receiver)[before:]
    assert [len(on_wire) - len(plain) for on_wire, plain in zip(encrypted, receiver.rtp, strict=True)] == [
        PROFILES[downstream_profile][1]
    ] * 12
    lab.advance(2)
    assert ssrc in {packet.ssrc for packet in receiver.rtcp if isinstance(packet, SenderReport)}
    assert isinstance(ssrc, int)
    sender.rtcp.clear()
    receiver.send_rtcp(PictureLossIndication(1, ssrc))
    lab.pump()
    assert [packet.media_ssrc for packet in sender.rtcp if isinstance(packet, PictureLossIndication)] == [2222]
    assert lab.drops() == {}


@pytest.mark.rfc("RFC 5764 4.1.1")
@pytest.mark.parametrize("role", list(EndpointRole))
def test_without_a_profile_in_common_the_transport_fails_and_nothing_else_does(role: EndpointRole) -> None:
    lab = Lab()
    options = lab.transport()
    stranger = lab.peer(role, profile=ONE_THAT_WE_LACK)
    stranger.check(options)
    stranger.start_dtls()
    lab.connect(options.id, stranger)
    lab.advance(1)
    states = [event.state for event in lab.events if isinstance(event, DtlsStateChanged)]
    assert states[-1] is DtlsState.FAILED
    assert not stranger.connected
    other, _ = lab.connected_peer(role)
    assert other.dtls.srtp_material().profile == "AEAD_AES_256_GCM"
