"""Whatever bytes come from the network: every parser gives a value, or raises `Malformed` with a reason to count by."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from labsfu.core.codecs import h264, vp8
from labsfu.core.codecs.opus import OpusToc
from labsfu.core.codecs.vp8 import Vp8PayloadDescriptor
from labsfu.core.dtls.records import check_incoming, split_records
from labsfu.core.dtls.state import DtlsRole
from labsfu.core.forwarding.arrival import Arrival
from labsfu.core.forwarding.inbound import original_packet, original_sequence
from labsfu.core.ice.lite import IceCredentials, IceLiteAgent
from labsfu.core.ortc.h264 import parse_profile_level_id
from labsfu.core.ortc.scalability import parse_scalability_mode
from labsfu.core.rtcp import feedback
from labsfu.core.rtcp.bye import Bye
from labsfu.core.rtcp.chunks import decode_chunk
from labsfu.core.rtcp.compound import parse_compound
from labsfu.core.rtcp.fir import FullIntraRequest
from labsfu.core.rtcp.header import parse_header
from labsfu.core.rtcp.nack import Nack, unpack_pair
from labsfu.core.rtcp.pli import PictureLossIndication
from labsfu.core.rtcp.remb import Remb
from labsfu.core.rtcp.reports import ReceiverReport, SenderReport
from labsfu.core.rtcp.sdes import SourceDescription
from labsfu.core.rtcp.transport_cc import TransportFeedback
from labsfu.core.rtcp.xr import ExtendedReport
from labsfu.core.rtp import values
from labsfu.core.rtp.extensions import find_extensions, list_extensions
from labsfu.core.rtp.packet import Buffer, RtpHeader
from labsfu.core.srtp.buffer import SrtpBuffer
from labsfu.core.srtp.session import SrtpReceiver, SrtpSender
from labsfu.core.stun.integrity import append_fingerprint
from labsfu.core.stun.message import BINDING, MAGIC_COOKIE, Attribute, StunClass, local_ufrag_of, parse
from labsfu.core.transport.demux import kind_of
from labsfu.errors import Malformed
from tests.support.core_functions import Function, functions, takes_bytes

DATA = Path(__file__).parents[1] / "data"
REASON = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+")

# ------------------------------------------------------------------------ packets to begin with, from other encoders


def stun_vectors() -> list[bytes]:
    texts = [path.read_text().splitlines() for path in sorted((DATA / "stun").glob("*.hex"))]
    return [bytes.fromhex("".join(line for line in text if not line.startswith("#"))) for text in texts]


def hexes(*texts: str) -> list[bytes]:
    return [bytes.fromhex(text) for text in texts]


STUN = stun_vectors()
DTLS = hexes(*(DATA / "dtls" / "chromium-dtls-in-simple.hex").read_text().split())
# Chromium's first packets of audio, video and RTX (tests/data/rtp), cut; padding, CSRC and two-byte form by hand
RTP = hexes(
    "90ef5998de09fc17c608f2cabede000322da2d0b310001403010ff00adab21b6d7a2cadc9a77",
    "90e068e19ae217c893cf3032bede000422b220093100104031a17231d000000058ee5813fe27",
    "b0617b8900000000e49e168abede0003403131000222da393f00000027dad282ceaf96309802",
    "b260000100000002000000030000000400000005100000020101010202010200aabbcc0003",
)
# From the tests beside this file, which say where they come from; each is one octet of count, then the body
SR = hexes(
    "01deadbeefb44db70520000000fffffff0000003e800124f801122334440fffffb0001fffe00000309b705200000054000",
)
RR = hexes("01cafebabe1122334440fffffb0001fffe00000309b705200000054000", "0000000001aabbccdd")
SDES = hexes("0200000001010261620201630000000002" + "00000000", "01deadbeef010361626300000000")
BYE = hexes("01deadbeef0a63616d657261206f666600", "1f" + "01020304" * 31)
NACK = hexes("0000000100000002000c8001001d800000640000")
PLI = hexes("010203040a0b0c0d")
FIR = hexes("000000004bc4fcb412345678420000009876543257000000")
REMB = hexes("000000010000000052454d42011a20df4874ed16")
TRANSPORT_CC = hexes(
    "fa17fa1743032fa0009900013de80217200194",
    "fa17fa17193dd8bb0004000710636e0120074c2424100c0c10",
    "9b74f61f9371dcbc853c000963f916b3d55200309baa6aaa7b0109",
)
XR = hexes("0000000104000002112233445566778805000003000000020000000300000004")
COMPOUNDS = hexes(
    "81c8000cdeadbeefb44db70520000000fffffff0000003e800124f801122334440fffffb0001fffe00000309b705200000054000"
    "81ca0002deadbeef00000000" + "81ce0002010203040a0b0c0d",
    "afcd0005fa17fa1743032fa0009900013de8021720019401",
    "8fce0005000000010000000052454d42011a20df4874ed16" + "84ce0004000000010000000000000002" + "00000000",
    "81cb0004deadbeef0a63616d657261206f666600" + "80cf0004000000010400000211223344" + "55667788",
)
VP8 = hexes("9080d6a45070009d012ab00090003903", "90f0ffffffbf01", "d08011f1", "8720c000")
H264 = hexes("7800166742c01fd9028da1000003000100000300", "6742c01fd9", "7c8788", "7c05ff")
MASTER = bytes(range(28))


def protected() -> list[bytes]:
    sender, buffer, packets = SrtpSender("AEAD_AES_128_GCM", MASTER), SrtpBuffer(), []
    for packet in RTP:
        length = sender.protect_rtp(buffer, buffer.load(packet))
        packets.append(bytes(buffer.view[:length]))
    for compound in COMPOUNDS:
        length = sender.protect_rtcp(buffer, buffer.load(compound))
        packets.append(bytes(buffer.view[:length]))
    return packets


SRTP = protected()

# ------------------------------------------------------------------------ envelopes: right outside, anything inside


def as_it_is(raw: bytes) -> bytes:
    return raw


def in_stun(raw: bytes) -> bytes:
    """Attributes of known types with any value; often a right FINGERPRINT behind them."""
    types = [*Attribute, 0x7FFF]
    body = b""
    while raw:
        value = raw[2 : 2 + (raw[1] % 26 if raw[1:] else 0)]
        body += struct.pack("!HH", types[raw[0] % len(types)], len(value)) + value + bytes(-len(value) % 4)
        raw = raw[2 + len(value) :]
    kind = list(StunClass)[len(body) // 4 % 4] | BINDING
    message = struct.pack("!HHI12x", kind, len(body), MAGIC_COOKIE) + body
    return append_fingerprint(message) if zlib.crc32(body) % 2 else message


def in_rtp(raw: bytes) -> bytes:
    """Any header extension, of either form or neither."""
    block = raw + bytes(-len(raw) % 4)
    profile = (0xBEDE, 0x1000, 0x100F, 0x1234)[len(raw) // 4 % 4]
    return b"\x90\x60" + bytes(10) + struct.pack("!HH", profile, len(block) // 4) + block + raw[: len(raw) % 3]


def in_rtcp(raw: bytes) -> bytes:
    """A packet of a known type with any body."""
    first, second, body = raw[0] if raw else 0, raw[1] if raw[1:] else 0, raw[2:] + bytes(-len(raw[2:]) % 4)
    return struct.pack("!BBH", 0x80 | first & 0x3F, 200 + second % 8, len(body) // 4) + body


def in_remb(raw: bytes) -> bytes:
    return bytes(8) + b"REMB" + raw


def in_dtls(raw: bytes) -> bytes:
    """A record of a known type, mostly in plain, with any body."""
    first, second, body = raw[0] if raw else 0, raw[1] if raw[1:] else 0, raw[2:]
    return struct.pack("!BHHHIH", 20 + first % 4, 0xFEFD, second % 5 == 0, 0, 0, len(body)) + body


# ------------------------------------------------------------------------ the parsers

Run = Callable[[Buffer, int], object]
"""Gives `buffer[:length]` to the parser; the result can be compared."""


class Parser(NamedTuple):
    run: Run
    seeds: list[bytes]
    envelope: Callable[[bytes], bytes] = as_it_is


def whole(function: Callable[[bytes], object]) -> Run:
    return lambda buffer, length: function(bytes(buffer[:length]))


def counted(function: Callable[[bytes, int], object]) -> Run:
    return lambda buffer, length: function(bytes(buffer[1:length]), buffer[0] & 31 if length else 0)


def placed(function: Callable[[Buffer, int, int], object]) -> Run:
    return lambda buffer, length: function(buffer, 0, length)


def fields(filled: object) -> dict[str, object]:
    return {name: getattr(filled, name) for name in type(filled).__slots__}  # type: ignore[attr-defined]  # they all have


def header_of(buffer: Buffer, length: int) -> RtpHeader:
    header = RtpHeader()
    header.read(buffer, length)
    return header


def read_vp8(buffer: Buffer, length: int) -> object:
    descriptor = Vp8PayloadDescriptor()
    descriptor.read(buffer, 0, length)
    assert descriptor.payload_offset <= length
    return fields(descriptor)


def read_rtp(buffer: Buffer, length: int) -> object:
    header = header_of(buffer, length)
    assert header.payload_length >= 0
    assert header.payload_offset + header.payload_length + header.padding_size == length
    return fields(header)


def read_rtcp_header(buffer: Buffer, length: int) -> object:
    header = parse_header(buffer[:length], min(2, length))
    assert header.body_length >= 0
    assert header.body_offset + header.body_length <= header.end <= length
    return header


def list_elements(buffer: Buffer, length: int) -> object:
    elements = list_extensions(buffer, header_of(buffer, length))
    assert all(offset + size <= length for _, offset, size in elements)
    return elements


def read_arrival(buffer: Buffer, length: int) -> object:
    arrival = Arrival()
    arrival.read(buffer, length, 1.0, 2.0)
    assert arrival.copy() == bytes(buffer[:length])
    return fields(arrival.header), arrival.elements


def restore(buffer: Buffer, length: int) -> object:
    header = header_of(buffer, length)
    original_sequence(buffer, header)
    return original_packet(buffer, header, 1, 96)


def read_stun(data: bytes) -> object:
    message = parse(data)
    return message, message.integrity_holds("password")


def read_sdes(body: bytes, count: int) -> object:
    described = SourceDescription.parse(body, count)
    return described, [described.cname(chunk.ssrc) for chunk in described.chunks]


def read_transport_cc(body: bytes) -> object:
    told = TransportFeedback.parse(body)
    return told, told.arrivals()


def check_by(sender: DtlsRole) -> Run:
    return whole(lambda data: check_incoming(data, sender))


def ice(data: bytes) -> object:
    return IceLiteAgent(IceCredentials("evtj", "VOkJxbRl1RmTxUk/WvJxBt")).receive(data, ("192.0.2.1", 1), 1.0)


def unprotect(method: Callable[[SrtpReceiver, SrtpBuffer, int], int]) -> Run:
    def run(buffer: Buffer, length: int) -> object:
        receiver, memory = SrtpReceiver("AEAD_AES_128_GCM", MASTER), SrtpBuffer()
        plain = method(receiver, memory, memory.load(bytes(buffer[:length])))
        return bytes(memory.view[:plain])

    return run


def number(data: bytes) -> int:
    return int.from_bytes(data[:2], "big")


PARSERS = {
    "codecs.h264.is_key_frame": Parser(placed(h264.is_key_frame), H264),
    "codecs.opus.OpusToc.of_octet": Parser(whole(lambda data: OpusToc.of_octet(number(data) & 0xFF)), [b"\xff"]),
    "codecs.vp8.Vp8PayloadDescriptor.read": Parser(read_vp8, VP8),
    "codecs.vp8.is_key_frame": Parser(placed(vp8.is_key_frame), VP8),
    "dtls.records.check_incoming (client)": Parser(check_by(DtlsRole.CLIENT), DTLS, in_dtls),
    "dtls.records.check_incoming (server)": Parser(check_by(DtlsRole.SERVER), [in_dtls(b"\x01\x01\x01\x00")], in_dtls),
    "dtls.records.split_records": Parser(whole(lambda data: list(split_records(data))), DTLS, in_dtls),
    "forwarding.arrival.Arrival.read": Parser(read_arrival, RTP, in_rtp),
    "forwarding.inbound.original_packet": Parser(restore, RTP, in_rtp),
    "forwarding.inbound.original_sequence": Parser(restore, RTP, in_rtp),
    "ice.lite.IceLiteAgent.receive": Parser(whole(ice), STUN, in_stun),
    "ortc.h264.parse_profile_level_id": Parser(
        whole(lambda data: parse_profile_level_id(data.decode(errors="replace"))), [b"42e01f", b"F4001E"]
    ),
    "ortc.scalability.parse_scalability_mode": Parser(
        whole(lambda data: parse_scalability_mode(data.decode(errors="replace"))), [b"L3T2_KEY", b"S3T3"]
    ),
    "rtcp.bye.Bye.parse": Parser(counted(Bye.parse), BYE),
    "rtcp.chunks.decode_chunk": Parser(whole(lambda data: decode_chunk(number(data))), [b"\xcd\x50"]),
    "rtcp.compound.parse_compound": Parser(lambda buffer, length: parse_compound(buffer[:length]), COMPOUNDS, in_rtcp),
    "rtcp.compound.parse_compound (without transport-cc)": Parser(
        lambda buffer, length: parse_compound(buffer[:length], transport_cc=False), COMPOUNDS, in_rtcp
    ),
    "rtcp.feedback.parse_ssrcs": Parser(whole(feedback.parse_ssrcs), PLI),
    "rtcp.fir.FullIntraRequest.parse": Parser(whole(FullIntraRequest.parse), FIR),
    "rtcp.header.parse_header": Parser(read_rtcp_header, [b"xx" + COMPOUNDS[1]], lambda raw: b"xx" + in_rtcp(raw)),
    "rtcp.nack.Nack.parse": Parser(whole(Nack.parse), NACK),
    "rtcp.nack.unpack_pair": Parser(
        whole(lambda data: list(unpack_pair(number(data), number(data[2:])))), [b"\xff\xff\xff\xff"]
    ),
    "rtcp.pli.PictureLossIndication.parse": Parser(whole(PictureLossIndication.parse), PLI),
    "rtcp.remb.Remb.matches": Parser(whole(Remb.matches), REMB, in_remb),
    "rtcp.remb.Remb.parse": Parser(whole(Remb.parse), REMB, in_remb),
    "rtcp.reports.ReceiverReport.parse": Parser(counted(ReceiverReport.parse), RR),
    "rtcp.reports.SenderReport.parse": Parser(counted(SenderReport.parse), SR),
    "rtcp.sdes.SourceDescription.parse": Parser(counted(read_sdes), SDES),
    "rtcp.transport_cc.TransportFeedback.parse": Parser(whole(read_transport_cc), TRANSPORT_CC),
    "rtcp.xr.ExtendedReport.parse": Parser(whole(ExtendedReport.parse), XR),
    "rtp.extensions.find_extensions": Parser(
        lambda buffer, length: find_extensions(buffer, header_of(buffer, length)), RTP, in_rtp
    ),
    "rtp.extensions.list_extensions": Parser(list_elements, RTP, in_rtp),
    "rtp.packet.RtpHeader.read": Parser(read_rtp, RTP, in_rtp),
    "rtp.values.decode_abs_send_time": Parser(placed(values.decode_abs_send_time), [b"\xda\x2d\x0b"]),
    "rtp.values.decode_audio_level": Parser(placed(values.decode_audio_level), [b"\xff"]),
    "rtp.values.decode_mid": Parser(placed(values.decode_mid), [b"0", "größe".encode()]),
    "rtp.values.decode_rid": Parser(placed(values.decode_rid), [b"hi"]),
    "rtp.values.decode_transport_sequence": Parser(placed(values.decode_transport_sequence), [b"\xff\xfe"]),
    "rtp.values.decode_video_orientation": Parser(placed(values.decode_video_orientation), [b"\x0f"]),
    "srtp.session.SrtpReceiver.unprotect_first_rtp": Parser(
        unprotect(SrtpReceiver.unprotect_first_rtp), SRTP[: len(RTP)]
    ),
    "srtp.session.SrtpReceiver.unprotect_rtcp": Parser(unprotect(SrtpReceiver.unprotect_rtcp), SRTP[len(RTP) :]),
    "srtp.session.SrtpReceiver.unprotect_rtp": Parser(unprotect(SrtpReceiver.unprotect_rtp), SRTP[: len(RTP)]),
    "stun.message.local_ufrag_of": Parser(whole(local_ufrag_of), STUN[:1], in_stun),
    "stun.message.parse": Parser(whole(read_stun), STUN, in_stun),
    "transport.demux.kind_of": Parser(kind_of, [*STUN, *DTLS, *RTP, *COMPOUNDS]),
}

# Found by the same search, and no parsers of what a peer sends
OTHERS = {
    "codecs.registry.is_key_frame_for": "takes a MIME type",
    "codecs.vp8.Vp8PayloadDescriptor.write_picture_id": "writes where `read` found it",
    "codecs.vp8.Vp8PayloadDescriptor.write_tl0_picture_index": "writes where `read` found it",
    "dtls.endpoint.DtlsEndpoint._read": "asks OpenSSL for what it has",
    "dtls.records.pack_datagrams": "takes what OpenSSL wrote",
    "dtls.records.renumber_plain": "takes what OpenSSL wrote",
    "srtp.buffer.SrtpBuffer.load": "copies",
    "srtp.session.SrtpSender.protect_rtcp": "takes our own packets",
    "srtp.session.SrtpSender.protect_rtp": "takes our own packets",
    "stun.integrity.append_fingerprint": "encodes",
    "stun.integrity.append_integrity": "encodes",
    "stun.integrity.fingerprint": "computes, over bytes that `parse` has cut",
    "stun.integrity.message_integrity": "computes, over bytes that `parse` has cut",
    "stun.message.xor_host": "computes, over bytes that `parse` has cut",
}

FORMATS = ("stun.", "rtp.", "rtcp.", "codecs.", "srtp.", "dtls.records.", "transport.demux.")
PARSING = re.compile(r"_?(parse|decode|read|unpack|unprotect|is_key_frame|original|of_octet)")


def looks_like_a_parser(path: str, function: Function) -> bool:
    """In packages of formats whatever is public and takes bytes; anywhere, what is named as one."""
    name = path.rpartition(".")[2]
    if path.startswith(FORMATS):
        public = not name.startswith(("_", "encode"))
        return public and (takes_bytes(function) or PARSING.match(name) is not None)
    return PARSING.match(name) is not None


def unlisted(candidates: dict[str, Function]) -> set[str]:
    found = {path for path, function in candidates.items() if looks_like_a_parser(path, function)}
    return found - {name.partition(" ")[0] for name in PARSERS} - set(OTHERS)


# ------------------------------------------------------------------------ tests


class Datagram(NamedTuple):
    """How an input is made: random bytes, random bytes in an envelope, or a good packet with some damage."""

    kind: int
    raw: bytes
    seed: int
    flips: list[tuple[int, int]]
    cut: int

    def of(self, parser: Parser) -> bytes:
        if self.kind == 0:
            return self.raw
        if self.kind == 1:
            return parser.envelope(self.raw)
        data = bytearray(parser.seeds[self.seed % len(parser.seeds)])
        for place, value in self.flips:
            data[place % len(data)] ^= value
        # Every other time damage alone: cut, or longer than it was.
        if self.cut % 2:
            del data[self.cut % (len(data) + 1) :]
        elif self.cut % 4:
            data += self.raw
        return bytes(data)


DATAGRAMS = st.builds(
    Datagram,
    st.integers(0, 2),
    # small numbers more often: counts, lengths, families
    st.binary(max_size=160) | st.lists(st.integers(0, 32), max_size=60).map(bytes),
    st.integers(0, 7),
    # low places more often: that is where headers are
    st.lists(st.tuples(st.integers(0, 40) | st.integers(0, 1500), st.integers(1, 255)), max_size=4),
    st.integers(0, 3000),
)


def outcome(parser: Parser, buffer: Buffer, length: int) -> object:
    """What came out: the value, or the reason why there is none."""
    try:
        return parser.run(buffer, length)
    except Malformed as refused:
        reason = refused.reason
    assert REASON.fullmatch(reason)
    return reason


@given(datagram=DATAGRAMS)
@settings(max_examples=600, deadline=None, derandomize=True)
def test_any_bytes_are_a_value_or_malformed_and_nothing_behind_them_counts(datagram: Datagram) -> None:
    for name, parser in PARSERS.items():
        data = datagram.of(parser)
        note(f"{name} is given {data.hex()}")
        first = outcome(parser, data, len(data))
        in_a_larger_buffer = memoryview(bytearray(data) + b"\xff" * 20)
        assert outcome(parser, in_a_larger_buffer, len(data)) == first


@pytest.mark.parametrize("name", PARSERS)
def test_the_packets_to_begin_with_are_understood_and_every_beginning_of_them_is_judged(name: str) -> None:
    parser = PARSERS[name]
    for seed in parser.seeds:
        parser.run(seed, len(seed))
        for length in range(min(len(seed), 200)):
            outcome(parser, seed[:length], length)


def test_every_parser_is_listed_here() -> None:
    found = functions()
    assert unlisted(found) == set()
    assert {name.partition(" ")[0] for name in PARSERS} <= set(found)
    assert {name for name in OTHERS if name not in found or not looks_like_a_parser(name, found[name])} == set()


def test_a_parser_that_nobody_listed_is_found() -> None:
    def parse_novelty(text: str) -> str:
        return text

    def novelty(buffer: Buffer) -> int:
        return len(buffer)

    planted: dict[str, Function] = {
        "shell.parse_novelty": parse_novelty,
        "rtp.novelty": novelty,
        "ice.novelty": novelty,
    }
    assert unlisted(planted) == {"shell.parse_novelty", "rtp.novelty"}


@pytest.mark.parametrize(
    ("careless", "error"),
    [
        (lambda data: data[9], IndexError),
        (lambda data: struct.unpack_from("!Q", data), struct.error),
        (lambda data: data.decode(), UnicodeDecodeError),
    ],
)
def test_a_parser_that_raises_something_else_is_noticed(
    careless: Callable[[bytes], object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        outcome(Parser(whole(careless), []), b"\xff\xfe", 2)
