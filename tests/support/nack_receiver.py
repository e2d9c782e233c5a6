"""A synthetic video receiver on a lab's peer: asks for what is missing, restores RTX, and keeps account of it all."""

from __future__ import annotations

from dataclasses import dataclass

from labsfu.core.rtcp.compound import RtcpPacket
from labsfu.core.rtcp.nack import Nack
from labsfu.core.rtcp.ntp import delay_from_seconds, middle32, ntp_from_unix, round_trip_seconds
from labsfu.core.rtcp.pli import PictureLossIndication
from labsfu.core.rtcp.reports import ReceiverReport, ReportBlock, SenderReport
from labsfu.core.rtcp.xr import Dlrr, ExtendedReport, ReceiverReferenceTime
from labsfu.core.rtp.packet import RtpHeader
from labsfu.core.sequence import Unwrapper16
from labsfu.wire import commands
from labsfu.wire.rtp import RtcpFeedback
from tests.support.frame_book import FrameBook
from tests.support.lab import Peer
from tests.support.media import ssrc_of
from tests.support.missing_numbers import MissingNumbers
from tests.support.synthetic_vp8 import Fragment
from tests.support.video import unix_time

OWN_SSRC = 1
REPORT_INTERVAL = 1.0
DEFAULT_ROUND_TRIP = 0.1
STANDSTILL = 0.3
"""Seconds without a picture after which a receiver that cannot help itself asks for a key frame."""


@dataclass(frozen=True, slots=True)
class Output:
    """A packet as the receiver has it, once its retransmission is undone."""

    timestamp: int
    marker: bool
    payload: bytes


class NackReceiver:
    """Receives what one consumer sends.

    `outputs` has each packet by its number, which does not wrap. `conflicts` are numbers that were used for two
    different packets, `duplicates` counts packets that came more than once.
    """

    def __init__(self, peer: Peer, consumed: commands.Consumed) -> None:
        parameters = consumed.rtp_parameters
        encoding = parameters.encodings[0]
        self.peer = peer
        self.ssrc = ssrc_of(consumed)
        rtx_ssrc = getattr(encoding.rtx, "ssrc", None)
        self.rtx_ssrc = rtx_ssrc if isinstance(rtx_ssrc, int) else None
        self.payload_type = parameters.codecs[0].payload_type
        self.rtx_payload_types = {c.payload_type for c in parameters.codecs if c.mime_type == "video/rtx"}
        self.asks = RtcpFeedback(type="nack") in parameters.codecs[0].rtcp_feedback
        self.outputs: dict[int, Output] = {}
        self.conflicts: list[int] = []
        self.duplicates = 0
        self.book = FrameBook()
        self.missing = MissingNumbers()
        self.round_trip: float | None = None
        self.nacked = 0
        self.key_frame_requests = 0
        self.repaired = 0
        self.media_octets = 0
        self.resent_octets = 0
        self._header = RtpHeader()
        self._numbers = Unwrapper16()
        self._highest: int | None = None
        self._last_report: tuple[int, float] | None = None
        self._next_report = peer.lab.now + REPORT_INTERVAL / 4
        self._ask_key_frame_at: float | None = None
        peer.programmes.append(self)

    # ---------------------------------------------------------------- packets in

    def receive_rtp(self, packet: bytes) -> None:
        """Take in an RTP packet of the peer's transport; those of other streams are not ours."""
        header = self._header
        header.read(packet, len(packet))
        payload = packet[header.payload_offset : header.payload_offset + header.payload_length]
        if header.ssrc == self.ssrc:
            assert header.payload_type == self.payload_type
            self._receive(self._numbers.unwrap(header.sequence_number), payload, len(packet), resent=False)
        elif header.ssrc == self.rtx_ssrc:
            assert header.payload_type in self.rtx_payload_types
            if payload:  # else padding
                original = self._numbers.unwrap(payload[0] << 8 | payload[1])  # OSN (RFC 4588 4)
                self._receive(original, payload[2:], len(packet), resent=True)

    def _receive(self, number: int, payload: bytes, octets: int, *, resent: bool) -> None:
        now = self.peer.lab.now
        header = self._header
        output = Output(header.timestamp, header.marker, payload)
        known = self.outputs.get(number)
        asked = self._follow(number, now)
        if resent or asked or known is not None:
            self.resent_octets += octets
        else:
            self.media_octets += octets
        if known is not None:
            self.duplicates += 1
            if known != output:
                self.conflicts.append(number)
            return
        self.repaired += asked
        self.outputs[number] = output
        if self._ask_key_frame_at is None:
            self._ask_key_frame_at = now + STANDSTILL
        if payload:
            self.book.receive(Fragment.decode(payload), now)

    def _follow(self, number: int, now: float) -> bool:
        """Note what is missing before `number`; True when it was itself missing and asked for."""
        highest = self._highest
        if highest is None or number > highest:
            self._highest = number
            self.missing.miss(number if highest is None else highest + 1, number, now)
            return False
        return self.missing.found(number)

    def receive_rtcp(self, packet: RtcpPacket) -> None:
        """Learn the round trip, both ways (RFC 3550 6.4.1, RFC 3611 4.5)."""
        now = self.peer.lab.now
        match packet:
            case SenderReport(ssrc=ssrc) if ssrc == self.ssrc:
                self._last_report = middle32(packet.ntp_timestamp), now
            case ExtendedReport():
                for item in (item for block in packet.blocks if isinstance(block, Dlrr) for item in block.items):
                    if item.ssrc == OWN_SSRC:
                        ntp = middle32(ntp_from_unix(unix_time(now)))
                        self.round_trip = round_trip_seconds(ntp, item.last_rr, item.delay)
            case _:
                pass

    # ---------------------------------------------------------------- time

    def deadline(self) -> float | None:
        """When `tick` has something to do."""
        due = [self._next_report, self.missing.deadline(), self._ask_key_frame_at]
        return min(at for at in due if at is not None)

    def tick(self) -> None:
        """Send what is due."""
        now = self.peer.lab.now
        if self.asks:
            self._ask(now)
        else:
            self.missing.forget()
        if self._ask_key_frame_at is not None and now >= self._ask_key_frame_at:
            self._look_at_the_picture(now)
        if now >= self._next_report:
            self._report(now)
            self._next_report += REPORT_INTERVAL

    def _ask(self, now: float) -> None:
        before = len(self.missing.given_up)
        numbers = self.missing.due(now, DEFAULT_ROUND_TRIP if self.round_trip is None else self.round_trip)
        if numbers:
            self.nacked += len(numbers)
            self.peer.send_rtcp(Nack(OWN_SSRC, self.ssrc, tuple(number & 0xFFFF for number in numbers)))
        if len(self.missing.given_up) > before:
            self.book.give_up()
            self._ask_key_frame_at = now

    def _look_at_the_picture(self, now: float) -> None:
        """Ask for a key frame when there is no picture to go on from, or has been none for long."""
        last = self.book.shown[-1][0] if self.book.shown else 0.0
        if not self.book.started or now - last >= 1.0:
            self.key_frame_requests += 1
            self.peer.send_rtcp(PictureLossIndication(OWN_SSRC, self.ssrc))
        self._ask_key_frame_at = now + STANDSTILL

    def _report(self, now: float) -> None:
        """RR and XR: enough for the engine to learn the round trip, and for us (RFC 3550 6.4.2, RFC 3611 4.4)."""
        blocks: tuple[ReportBlock, ...] = ()
        if self._highest is not None:
            reference, at = self._last_report or (0, now)
            lost = self._highest - min(self.outputs) + 1 - len(self.outputs)
            blocks = (
                ReportBlock(
                    ssrc=self.ssrc,
                    fraction_lost=0,
                    packets_lost=lost,
                    highest_sequence=self._highest,
                    jitter=0,
                    last_sr=reference,
                    delay_since_last_sr=delay_from_seconds(now - at) if reference else 0,
                ),
            )
        reference_time = ReceiverReferenceTime(ntp_from_unix(unix_time(now)))
        self.peer.send_rtcp(ReceiverReport(OWN_SSRC, blocks), ExtendedReport(OWN_SSRC, (reference_time,)))
