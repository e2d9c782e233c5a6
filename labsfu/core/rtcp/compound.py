"""Compound RTCP packets, full and of reduced size (RFC 3550 6.1, RFC 5506)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from labsfu.core.rtcp.bye import Bye
from labsfu.core.rtcp.feedback import PayloadFormat, TransportFormat
from labsfu.core.rtcp.fir import FullIntraRequest
from labsfu.core.rtcp.header import Buffer, PacketType, parse_header
from labsfu.core.rtcp.nack import Nack
from labsfu.core.rtcp.pli import PictureLossIndication
from labsfu.core.rtcp.remb import Remb
from labsfu.core.rtcp.reports import ReceiverReport, SenderReport
from labsfu.core.rtcp.sdes import SourceDescription
from labsfu.core.rtcp.transport_cc import TransportFeedback
from labsfu.core.rtcp.unknown import Unknown
from labsfu.core.rtcp.xr import ExtendedReport
from labsfu.errors import Malformed

RtcpPacket: TypeAlias = (
    SenderReport
    | ReceiverReport
    | SourceDescription
    | Bye
    | PictureLossIndication
    | FullIntraRequest
    | Remb
    | Nack
    | TransportFeedback
    | ExtendedReport
    | Unknown
)

# Types whose five bits count something, and types whose five bits are a format.
_COUNTED: dict[int, Callable[[bytes, int], RtcpPacket]] = {
    PacketType.SR: SenderReport.parse,
    PacketType.RR: ReceiverReport.parse,
    PacketType.SDES: SourceDescription.parse,
    PacketType.BYE: Bye.parse,
}
_FEEDBACK: dict[tuple[int, int], Callable[[bytes], RtcpPacket]] = {
    (PacketType.RTPFB, TransportFormat.NACK): Nack.parse,
    (PacketType.RTPFB, TransportFormat.TRANSPORT_CC): TransportFeedback.parse,
    (PacketType.PSFB, PayloadFormat.PLI): PictureLossIndication.parse,
    (PacketType.PSFB, PayloadFormat.FIR): FullIntraRequest.parse,
}


def parse_compound(data: Buffer, *, transport_cc: bool = True) -> list[RtcpPacket]:
    """Read every packet of a compound.

    Reduced-size RTCP is accepted: the first packet need not be a report. Types, feedback formats and application
    layer feedback that are not understood come back as `Unknown`. One bad packet condemns the whole compound.

    Args:
        data: one datagram, decrypted.
        transport_cc: whether that feedback was negotiated. It can expand to a thousand times its size, so where it was
            not it comes back as `Unknown`.

    Returns:
        The packets in order, at least one.

    Raises:
        Malformed: `rtcp-...`; see `parse_header` and the packet types.
    """
    if not data:
        raise Malformed("rtcp-too-short")
    packets = []
    offset = 0
    while offset < len(data):
        header = parse_header(data, offset)
        body = bytes(data[header.body_offset : header.body_offset + header.body_length])
        packets.append(_parse_body(header.packet_type, header.count, body, transport_cc))
        offset = header.end
    return packets


def encode_compound(packets: Iterable[RtcpPacket]) -> bytes:
    """The packets one after the other; a report first, when there is one, is the caller's concern."""
    return b"".join(packet.encode() for packet in packets)


def _parse_body(packet_type: int, count: int, body: bytes, transport_cc: bool) -> RtcpPacket:
    counted = _COUNTED.get(packet_type)
    if counted is not None:
        return counted(body, count)
    if packet_type == PacketType.XR:
        return ExtendedReport.parse(body)
    if packet_type == PacketType.PSFB and count == PayloadFormat.APPLICATION and Remb.matches(body):
        return Remb.parse(body)
    feedback = _FEEDBACK.get((packet_type, count))
    if feedback is not None and (transport_cc or feedback != TransportFeedback.parse):
        return feedback(body)
    return Unknown(packet_type, body, count)
