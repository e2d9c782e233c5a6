"""A receiver that decodes nothing, and knows what a decoder could have decoded."""

from __future__ import annotations

from dataclasses import dataclass

from clients.synthetic.assembly import FrameAssembly
from clients.synthetic.formats import PayloadFormat
from clients.synthetic.frames import FrameBook
from clients.synthetic.missing import MissingPackets
from clients.synthetic.packets import RtpHead
from clients.synthetic.reports import InboundReport
from clients.synthetic.rtcp import Goodbye, Nack, PictureLoss, ReportBlock, SenderReport
from clients.synthetic.stamp import read_stamp
from labsfu.errors import Malformed
from labsfu.wire.rtp import MediaKind

FIRST_KEY_FRAME = 0.2
"""Seconds from the first packet until a key frame is asked for (as in libwebrtc)."""
STANDSTILL = 0.5
"""Seconds without a decoded frame, while packets come, until a key frame is asked for; and from one PLI to the next."""


@dataclass(frozen=True, slots=True)
class ReceptionTerms:
    """What was negotiated for one stream.

    Attributes:
        format: of the payloads.
        ssrc: of the media; rtx_ssrc: of the retransmissions, None without RTX.
        payload_type: of the media; rtx_payload_type: None without RTX.
        nack: whether NACKs may be sent.
        pli: whether PLIs may be sent.
        transport_cc: id of the transport-wide numbers, if they are to be reported on; None: they are not.
        send_time: id of abs-send-time, if a REMB is to be sent; None: it is not.
    """

    format: PayloadFormat
    ssrc: int
    payload_type: int
    rtx_ssrc: int | None = None
    rtx_payload_type: int | None = None
    nack: bool = False
    pli: bool = False
    transport_cc: int | None = None
    send_time: int | None = None


class SyntheticReceiver:
    """Receives one stream.

    Args:
        terms: as negotiated.
        rtcp_ssrc: what our NACKs and PLIs are sent as.

    Attributes:
        due: when `run` has something to do, monotonic seconds.
        book: what was decoded.
        ended: the sender has said BYE.
    """

    def __init__(self, terms: ReceptionTerms, *, rtcp_ssrc: int) -> None:
        self.terms = terms
        self.due = float("inf")
        self.book = FrameBook()
        self.ended = False
        self._rtcp_ssrc = rtcp_ssrc
        self._video = terms.format.kind is MediaKind.VIDEO
        self._assembly = FrameAssembly(self.book.note)
        self._missing = MissingPackets(asks=terms.nack)
        self._first = self._highest = -1
        self._received = 0
        self._restored = 0
        self._octets = self._header_octets = 0
        self._duplicated = self._reordered = 0
        self._packets = self._rtx_packets = self._rtx_octets = 0
        self._malformed = 0
        self._jitter = 0.0
        self._transit: float | None = None
        self._nacks = self._nacked = self._plis = 0
        self._asked_at = float("-inf")
        self._first_at = self._last_at = 0.0
        self._reported = (0, 0)
        self._last_sr = 0
        self._last_sr_at = 0.0

    def receive(self, data: bytes, head: RtpHead, now: float) -> None:
        """Take in an RTP packet, whose header was read, of this stream or of its retransmissions.

        One that does not fit or does not parse is counted.
        """
        terms = self.terms
        try:
            if head.ssrc == terms.ssrc and head.payload_type == terms.payload_type:
                self._take(data, head, now)
            elif head.ssrc == terms.rtx_ssrc and head.payload_type == terms.rtx_payload_type:
                self._take_rtx(data, head, now)
            else:
                self._malformed += 1
        except Malformed:
            self._malformed += 1

    def on_sender_report(self, report: SenderReport, now: float) -> None:
        """The sender's report on this stream."""
        self._last_sr, self._last_sr_at = report.ntp >> 16 & 0xFFFFFFFF, now

    def on_goodbye(self, goodbye: Goodbye) -> None:
        """The sender has left."""
        self.ended |= self.terms.ssrc in goodbye.ssrcs

    def run(self, now: float) -> list[Nack | PictureLoss]:
        """What is to be asked for now."""
        packets: list[Nack | PictureLoss] = []
        useful = self._assembly.next_number
        if self._video and len(self._missing):
            self._missing.forget(useful)
        asked, given_up = self._missing.ask(now)
        if asked:
            self._nacks += 1
            self._nacked += len(asked)
            packets.append(Nack(self._rtcp_ssrc, self.terms.ssrc, tuple(number & 0xFFFF for number in asked)))
        self.due = self._missing.due
        if self._video:
            self._assembly.tick(now)
            if self._wants_key_frame(now, holes=any(number >= useful for number in given_up)):
                self._asked_at = now
                self._plis += 1
                packets.append(PictureLoss(self._rtcp_ssrc, self.terms.ssrc))
            if self._highest >= 0:
                self.due = min(self.due, now + 0.05)
        return packets

    def report_block(self, now: float) -> ReportBlock | None:
        """For our receiver report (RFC 3550 6.4.2, A.3); None before the first packet."""
        if self._highest < 0:
            return None
        expected = self._highest - self._first + 1
        expected_before, received_before = self._reported
        recent = expected - expected_before
        received = self._received - self._restored  # what RTX brought is of another stream
        lost = recent - (received - received_before)
        self._reported = expected, received
        return ReportBlock(
            ssrc=self.terms.ssrc,
            fraction_lost=min(255, (lost << 8) // recent) if recent > 0 and lost > 0 else 0,
            packets_lost=expected - received,
            highest_sequence=self._highest,
            jitter=int(self._jitter),
            last_sr=self._last_sr,
            delay=round((now - self._last_sr_at) * 65536) if self._last_sr else 0,
        )

    def report(self, now: float) -> InboundReport:
        """All that was measured."""
        expected = self._highest - self._first + 1 if self._highest >= 0 else 0
        return InboundReport(
            ssrc=self.terms.ssrc,
            kind=self.terms.format.kind,
            packets_received=self._packets,
            bytes_received=self._octets,
            header_bytes_received=self._header_octets,
            packets_lost=expected - self._received,
            packets_duplicated=self._duplicated,
            packets_reordered=self._reordered,
            retransmitted_packets_received=self._rtx_packets,
            retransmitted_bytes_received=self._rtx_octets,
            packets_malformed=self._malformed,
            jitter=self._jitter / self.terms.format.clock_rate,
            nack_count=self._nacks,
            nacked_packets=self._nacked,
            pli_count=self._plis,
            fir_count=0,
            frames=self.book.report(
                now,
                complete=self._assembly.complete if self._video else self.book.decoded,
                dropped=self._assembly.dropped,
            ),
        )

    def _take(self, data: bytes, head: RtpHead, now: float) -> None:
        self._packets += 1
        self._header_octets += head.payload
        number = self._extend(head.sequence)
        if number > self._highest:
            if number > self._highest + 1 and self._highest >= 0:
                self._missing.miss(self._highest + 1, number, now)
                self.due = min(self.due, self._missing.due)
            self._begin(number, now)
            self._highest = number
            self._arrive(head.timestamp, now)
        elif self._missing.found(number, now):
            self._reordered += 1
        else:
            self._duplicated += 1
            return
        self._deliver(number, data, head, head.payload, now)

    def _take_rtx(self, data: bytes, head: RtpHead, now: float) -> None:
        """A retransmission (RFC 4588 4); without payload it is padding."""
        length = head.end - head.payload
        if not length:
            return
        if length < 2:
            raise Malformed("rtx-too-short")
        self._rtx_packets += 1
        self._rtx_octets += length - 2
        if self._highest < 0:
            return
        number = self._extend(data[head.payload] << 8 | data[head.payload + 1])
        if self._missing.found(number, now):
            self._restored += 1
            self._deliver(number, data, head, head.payload + 2, now)

    def _begin(self, number: int, now: float) -> None:
        if self._highest < 0:
            self._first, self._first_at = number, now
            self.due = min(self.due, now + FIRST_KEY_FRAME)

    def _extend(self, sequence: int) -> int:
        """The number without wrap that is nearest to the highest one; the first one counts from 65536."""
        highest = self._highest
        if highest < 0:
            return 0x10000 + sequence
        return highest + ((sequence - highest + 0x8000) & 0xFFFF) - 0x8000

    def _arrive(self, timestamp: int, now: float) -> None:
        """Jitter as RFC 3550 6.4.1 has it."""
        transit = now * self.terms.format.clock_rate - timestamp
        if self._transit is not None:
            change = abs((transit - self._transit + 0x80000000) % 0x100000000 - 0x80000000)
            self._jitter += (change - self._jitter) / 16
        self._transit = transit

    def _deliver(self, number: int, data: bytes, head: RtpHead, start: int, now: float) -> None:
        """A packet of media that is there for the first time."""
        self._received += 1
        self._last_at = now
        end = head.end
        self._octets += end - start
        if start >= end:
            self._assembly.fill(number, now)
        elif self._video:
            payload = self.terms.format.read(data, start, end)
            stamp = read_stamp(data, end) if head.marker else None
            self._assembly.add(number, head.timestamp, head.marker, end - start, payload, stamp, now)
        else:
            self.book.heard(now)
            stamp = read_stamp(data, end)
            if stamp is not None:
                self.book.stamped(stamp, now)

    def _wants_key_frame(self, now: float, *, holes: bool) -> bool:
        if not self.terms.pli or self._highest < 0 or now - self._asked_at < STANDSTILL:
            return False
        if not self.book.decoded:
            return now - self._first_at >= FIRST_KEY_FRAME
        # packets come, and have come since the last frame that could be decoded
        stands = self._last_at - self.book.last_at >= STANDSTILL / 2 and now - self.book.last_at >= STANDSTILL
        return holes or stands
