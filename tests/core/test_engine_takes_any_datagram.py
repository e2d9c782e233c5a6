"""Any datagram, from anybody, authentic or not: the engine understands it or drops it, and goes on."""

from __future__ import annotations

from contextlib import suppress
from random import Random

import pytest

from labsfu.core.rtcp.compound import RtcpPacket, encode_compound
from labsfu.core.rtcp.fir import FirEntry, FullIntraRequest
from labsfu.core.rtcp.nack import Nack
from labsfu.core.rtcp.pli import PictureLossIndication
from labsfu.core.rtcp.remb import Remb
from labsfu.core.rtcp.reports import ReceiverReport, ReportBlock, SenderReport
from labsfu.core.rtcp.sdes import SourceDescription
from labsfu.core.rtcp.transport_cc import TransportFeedback
from labsfu.core.rtcp.xr import Dlrr, DlrrItem, ExtendedReport, ReceiverReferenceTime
from labsfu.core.rtp.extensions import encode_extensions
from labsfu.core.rtp.packet import encode_packet
from labsfu.core.srtp.session import ProtectError
from tests.support.lab import Lab, Peer, check
from tests.support.media import (
    DELTA_FRAME,
    KEY_FRAME,
    audio_packet,
    audio_parameters,
    consume,
    payload_of,
    produce,
    repaired_video_parameters,
    rtx_packet,
    ssrc_of,
)

DATAGRAMS = 1500


def damaged(data: bytes, random: Random) -> bytes:
    """Up to four octets changed, mostly in front; sometimes cut, sometimes longer."""
    result = bytearray(data)
    for _ in range(random.randrange(5)):
        result[min(random.randrange(len(result)), random.randrange(len(result)))] = random.randrange(256)
    fate = random.randrange(6)
    if fate == 0:
        del result[random.randrange(len(result)) :]
    elif fate == 1:
        result += random.randbytes(random.randrange(40))
    return bytes(result)


def damaged_within(packet: bytes, random: Random) -> bytes:
    """Its sequence number stays, for libsrtp would send nothing more after a jump; mostly its SSRC does too."""
    result = bytearray(damaged(packet, random))
    result[2:4] = packet[2:4]
    if random.randrange(8):
        result[8:12] = packet[8:12]
    return bytes(result)


def rtp(sequence: int, random: Random) -> bytes:
    video = encode_packet(
        random.choice([KEY_FRAME, DELTA_FRAME, b""]),
        payload_type=random.choice([96, 97]),
        sequence_number=sequence,
        timestamp=3000 * sequence,
        ssrc=random.choice([2222, 3333, random.getrandbits(32)]),
        extensions=encode_extensions([(4, b"v"), (2, b"123"), (3, sequence.to_bytes(2, "big"))]),
        padding_size=random.choice([0, 0, 5]),
    )
    return random.choice([video, video, audio_packet(sequence), rtx_packet(sequence, sequence - 3 & 0xFFFF)])


def rtcp(ssrc: int, random: Random) -> bytes:
    block = ReportBlock(ssrc, 1, 2, 70000, 4, 5, 6)
    packets: list[RtcpPacket] = [
        SenderReport(2222, random.getrandbits(64), 1, 2, 3, (block,)),
        ReceiverReport(1, (block,)),
        SourceDescription.of_cname(2222, "sender"),
        PictureLossIndication(1, ssrc),
        FullIntraRequest(1, (FirEntry(ssrc, random.randrange(256)),)),
        Nack(1, ssrc, tuple(random.randrange(65536) for _ in range(5))),
        Remb(1, random.getrandbits(30), (ssrc,)),
        TransportFeedback(1, ssrc, 7, 8, 9, (1, None, 300)),
        ExtendedReport(1, (ReceiverReferenceTime(random.getrandbits(64)), Dlrr((DlrrItem(1, 2, 3),)))),
    ]
    return encode_compound(random.sample(packets, 3))


def authentic(peer: Peer, plain: bytes, *, control: bool) -> bytes | None:
    """Protected as the peer's own; None when libsrtp will not."""
    assert peer._srtp is not None
    sender, buffer = peer._srtp[0], peer._buffer
    with suppress(ProtectError):
        length = buffer.load(plain)
        length = sender.protect_rtcp(buffer, length) if control else sender.protect_rtp(buffer, length)
        return bytes(buffer.view[:length])
    return None


@pytest.mark.parametrize("seed", range(3))
def test_whatever_comes_the_engine_has_no_fault_and_others_are_served(seed: int) -> None:
    random = Random(seed)
    lab = Lab()
    hostile, upstream = lab.connected_peer()
    viewer, downstream = lab.connected_peer()
    video = produce(lab, upstream, repaired_video_parameters(transport_cc=True))
    sound = produce(lab, upstream, audio_parameters())
    ssrcs = [ssrc_of(consume(lab, downstream, producer)) for producer in (video, sound)]
    assert hostile.options is not None
    sent = 0
    for n in range(DATAGRAMS):
        peer = random.choice([hostile, hostile, viewer])
        options = peer.options
        assert options is not None
        control = random.randrange(3) == 0
        plain = rtcp(random.choice(ssrcs), random) if control else rtp(65000 + n & 0xFFFF, random)
        secret = authentic(peer, damaged(plain, random) if control else damaged_within(plain, random), control=control)
        candidates = [
            random.randbytes(random.randrange(80)),
            damaged(check(options), random),
            damaged(plain, random),
            damaged(b"\x16\xfe\xfd" + bytes(8) + b"\x00\x20" + random.randbytes(32), random),
            *[secret] * 8,
        ]
        datagram = random.choice(candidates)
        if datagram is not None:
            sent += 1
            lab.send(random.choice([peer.address, peer.address, peer.address, ("203.0.113.9", 9)]), datagram)
        lab.advance(0.01)
    assert sent > DATAGRAMS // 2
    drops = lab.drops()
    assert len(drops) > 25, "it was dropped for many reasons"
    assert len(viewer.rtp) > 30, "and some of it was good"
    assert len(viewer.rtcp) > 5

    sender, innocent = lab.connected_peer()
    listener, listening = lab.connected_peer()
    producer = produce(lab, innocent, audio_parameters())
    consume(lab, listening, producer)
    sender.send_rtp(audio_packet(1, b"still here"))
    lab.pump()
    assert [payload_of(packet) for packet in listener.rtp] == [b"still here"]
