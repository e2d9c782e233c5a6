"""One outgoing RTP stream with its retransmissions (RFC 3550, RFC 4588)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from clients.synthetic.packets import HeaderForm
from clients.synthetic.rtcp import ReportBlock, SenderReport

KEPT = 1024
"""Packets that can be sent again, a power of two."""
KEPT_FOR = 2.0
"""Seconds after which they cannot any more."""
RESEND_AFTER = 0.01
"""Seconds within which a packet is not sent again twice."""


@dataclass(frozen=True, slots=True)
class ExtensionIds:
    """Ids of the header extensions in use; None: not in use."""

    mid: int | None = None
    rid: int | None = None
    repaired_rid: int | None = None
    send_time: int | None = None
    wide: int | None = None
    audio_level: int | None = None


@dataclass(frozen=True, slots=True)
class StreamTerms:
    """What was negotiated for one stream.

    Attributes:
        ssrc: of the media; rtx_ssrc: of the retransmissions.
        payload_type: of the media; rtx_payload_type: None without RTX.
        clock_rate: Hz.
        mid: told to the receiver until it shows that it knows the stream; empty: never.
        rid: told with it; empty without simulcast.
        extensions: ids.
    """

    ssrc: int
    rtx_ssrc: int
    payload_type: int
    rtx_payload_type: int | None
    clock_rate: int
    mid: str = ""
    rid: str = ""
    extensions: ExtensionIds = ExtensionIds()


class OutgoingPacket(msgspec.Struct, gc=False):
    """A packet of media, as it is kept.

    Attributes:
        number: without wrap.
        timestamp: 32 bits.
        marker: M.
        payload: without extensions.
        sent_at: when it was sent first, -1 before.
        resent_at: when it was asked for last, -1 before.
        level: of the audio level extension, 8 bits.
    """

    number: int
    timestamp: int
    marker: bool
    payload: bytes
    sent_at: float = -1.0
    resent_at: float = -1.0
    level: int = 0


@dataclass(slots=True)
class OutgoingCounts:
    """What was sent, after webrtc-stats."""

    packets: int = 0
    payload_octets: int = 0
    header_octets: int = 0
    rtx_packets: int = 0
    rtx_octets: int = 0
    nacks: int = 0
    nacked_packets: int = 0
    plis: int = 0
    firs: int = 0
    frames: int = 0
    key_frames: int = 0


class OutgoingStream:
    """The packets of one stream.

    MID and RID go with every packet until a report shows that the receiver knows the stream (as libwebrtc does).

    Args:
        terms: as negotiated.
        first_sequence: number of the first packet.
        first_rtx_sequence: of the first retransmission.
        first_timestamp: RTP time of `timestamp_of(0)`.
    """

    def __init__(
        self, terms: StreamTerms, *, first_sequence: int = 0, first_rtx_sequence: int = 0, first_timestamp: int = 0
    ) -> None:
        self.terms = terms
        self.counts = OutgoingCounts()
        self.fraction_lost = 0.0
        self.packets_lost = 0
        self.jitter = 0
        self.round_trip: float | None = None
        self._next = first_sequence
        self._rtx_next = first_rtx_sequence
        self._first_timestamp = first_timestamp
        self._kept: list[OutgoingPacket | None] = [None] * KEPT
        self._named = _form(terms, named=True)
        self._bare = _form(terms, named=False)
        self._rtx_named = None if terms.rtx_payload_type is None else _rtx_form(terms, named=True)
        self._rtx_bare = None if terms.rtx_payload_type is None else _rtx_form(terms, named=False)
        self._form = self._named
        self._rtx_form = self._rtx_named
        self._last_report = 0
        self._reported_at = 0.0

    def timestamp_of(self, seconds: float) -> int:
        """RTP time of an instant."""
        return (self._first_timestamp + round(seconds * self.terms.clock_rate)) & 0xFFFFFFFF

    def add(
        self, timestamp: int, payloads: Sequence[bytes], *, marker: bool | None = None, level: int = 0
    ) -> list[OutgoingPacket]:
        """The packets of a frame; the last is marked unless `marker` says otherwise."""
        last = len(payloads) - 1
        packets = []
        for index, payload in enumerate(payloads):
            marked = index == last if marker is None else marker
            packet = OutgoingPacket(self._next, timestamp, marked, payload, level=level)
            self._kept[self._next & KEPT - 1] = packet
            self._next += 1
            packets.append(packet)
        return packets

    def media(self, packet: OutgoingPacket, now: float, send_time: bytes, wide: int) -> bytes:
        """A packet as it is sent for the first time (or again, without RTX)."""
        packet.sent_at = now
        header = self._form.build(packet.number, packet.timestamp, packet.marker, send_time, wide, packet.level)
        counts = self.counts
        counts.packets += 1
        counts.payload_octets += len(packet.payload)
        counts.header_octets += len(header)
        return bytes(header) + packet.payload

    def again(self, packet: OutgoingPacket, now: float, send_time: bytes, wide: int) -> bytes:
        """A packet once more: as RTX where that was negotiated, else as it was."""
        counts = self.counts
        counts.rtx_packets += 1
        counts.rtx_octets += len(packet.payload)
        if self._rtx_form is None:
            return self.media(packet, now, send_time, wide)
        header = self._rtx_form.build(self._rtx_next, packet.timestamp, packet.marker, send_time, wide)
        self._rtx_next += 1
        return bytes(header) + (packet.number & 0xFFFF).to_bytes(2, "big") + packet.payload

    def takes_wide(self, *, again: bool) -> bool:
        """Whether the next packet, or retransmission, uses up a transport-wide number."""
        return (self._rtx_form if again and self._rtx_form is not None else self._form).has_wide

    def find(self, sequence: int, now: float) -> OutgoingPacket | None:
        """The packet with this 16-bit number, if it may be sent again now; it then counts as sent again."""
        packet = self._kept[sequence & KEPT - 1]
        if packet is None or packet.number & 0xFFFF != sequence or packet.sent_at < 0:
            return None
        if now - packet.sent_at > KEPT_FOR or 0 <= now - packet.resent_at < RESEND_AFTER:
            return None
        packet.resent_at = now
        return packet

    def report(self, now: float, ntp: int, timestamp: int) -> SenderReport:
        """A sender report; `ntp` and `timestamp` are of the same instant."""
        self._last_report, self._reported_at = ntp >> 16 & 0xFFFFFFFF, now
        return SenderReport(self.terms.ssrc, ntp, timestamp, self.counts.packets, self.counts.payload_octets)

    def on_block(self, block: ReportBlock, now: float) -> None:
        """A receiver reported on this stream, or on its retransmissions."""
        if block.ssrc != self.terms.ssrc:
            self._rtx_form = self._rtx_bare
            return
        self._form = self._bare
        self.fraction_lost = block.fraction_lost / 256
        self.packets_lost = block.packets_lost
        self.jitter = block.jitter
        if block.last_sr and block.last_sr == self._last_report:
            self.round_trip = max(0.0, now - self._reported_at - block.delay / 65536)


def _form(terms: StreamTerms, *, named: bool) -> HeaderForm:
    ids = terms.extensions
    names = [(ids.mid, terms.mid), (ids.rid, terms.rid)] if named else []
    elements = [(id_, value.encode()) for id_, value in names if id_ is not None and value]
    return HeaderForm(
        terms.payload_type,
        terms.ssrc,
        elements,
        send_time_id=ids.send_time,
        wide_id=ids.wide,
        level_id=ids.audio_level,
    )


def _rtx_form(terms: StreamTerms, *, named: bool) -> HeaderForm:
    ids = terms.extensions
    names = [(ids.mid, terms.mid), (ids.repaired_rid, terms.rid)] if named else []
    elements = [(id_, value.encode()) for id_, value in names if id_ is not None and value]
    assert terms.rtx_payload_type is not None, "callers look"
    return HeaderForm(terms.rtx_payload_type, terms.rtx_ssrc, elements, send_time_id=ids.send_time, wide_id=ids.wide)
