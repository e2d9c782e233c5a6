"""A synthetic video sender on a lab's peer: frames by the clock, key frames when asked, retransmissions when asked."""

from __future__ import annotations

from labsfu.core.rtcp.compound import RtcpPacket
from labsfu.core.rtcp.fir import FullIntraRequest
from labsfu.core.rtcp.nack import Nack
from labsfu.core.rtcp.ntp import delay_from_seconds, middle32, ntp_from_unix
from labsfu.core.rtcp.pli import PictureLossIndication
from labsfu.core.rtcp.reports import SenderReport
from labsfu.core.rtcp.sdes import CNAME, SdesChunk, SdesItem, SourceDescription
from labsfu.core.rtcp.transport_cc import TransportFeedback
from labsfu.core.rtcp.xr import Dlrr, DlrrItem, ExtendedReport, ReceiverReferenceTime
from tests.support.lab import START, UNIX_START, Peer
from tests.support.synthetic_vp8 import CLOCK_RATE, Packetizer, StreamOptions

REPORT_INTERVAL = 1.0


def unix_time(now: float) -> float:
    """Wall time of an instant of a lab's clock."""
    return now - START + UNIX_START


class VideoSource:
    """Sends frames from `start` on: the first is a key frame, then those that PLI or FIR ask for, and no others.

    Given: the peer, the stream, frames per second, packets of a frame and of a key frame, and after how many frames
    padding-only packets are put in: into the media stream (`padding_every`) or that of retransmissions
    (`rtx_padding_every`); 0 is never. It answers every NACK from its buffer as long as
    it `answers`, and XR's RRTR with DLRR.
    """

    def __init__(
        self,
        peer: Peer,
        options: StreamOptions | None = None,
        *,
        frame_rate: float = 30.0,
        parts: int = 4,
        key_frame_parts: int = 12,
        padding_every: int = 0,
        rtx_padding_every: int = 0,
    ) -> None:
        self.peer = peer
        self.options = options or StreamOptions()
        self.packets = Packetizer(self.options)
        self.frame_rate = frame_rate
        self.parts = parts
        self.key_frame_parts = key_frame_parts
        self.padding_every = padding_every
        self.rtx_padding_every = rtx_padding_every
        self.captured: dict[int, float] = {}
        self.key_frames: list[int] = []
        self.answers = True
        self.nacked: list[int] = []
        self.resent = 0
        self.key_frame_requests = 0
        self.feedback: list[TransportFeedback] = []
        self._next_frame: float | None = None
        self._next_report: float | None = None
        self._key_frame_wanted = True
        self._octets = 0
        self._reference: tuple[int, int, float] | None = None
        peer.programmes.append(self)

    def start(self) -> None:
        """Begin, with a frame at once."""
        now = self.peer.lab.now
        self._next_frame = now
        self._next_report = now + REPORT_INTERVAL / 2
        self.tick()

    def stop(self) -> None:
        """Capture no more; what was sent can still be asked for."""
        self._next_frame = None

    def deadline(self) -> float | None:
        """When `tick` has something to do."""
        return min((at for at in (self._next_frame, self._next_report) if at is not None), default=None)

    def tick(self) -> None:
        """Send what is due."""
        now = self.peer.lab.now
        while self._next_frame is not None and now >= self._next_frame:
            self.send_frame()
            self._next_frame += 1 / self.frame_rate
        if self._next_report is not None and now >= self._next_report:
            self._report(now)
            self._next_report += REPORT_INTERVAL

    def send_frame(self) -> None:
        """Send a frame now."""
        now = self.peer.lab.now
        key, self._key_frame_wanted = self._key_frame_wanted, False
        frame = self.packets.next_frame
        self.captured[frame] = now
        if key:
            self.key_frames.append(frame)
        for packet in self.packets.frame(now, self.key_frame_parts if key else self.parts, key=key):
            self._octets += self.options.payload_size
            self.peer.send_rtp(packet)
        if self.padding_every and frame % self.padding_every == self.padding_every - 1:
            self.peer.send_rtp(self.packets.padding(now))
        if self.rtx_padding_every and frame % self.rtx_padding_every == self.rtx_padding_every - 1:
            self.peer.send_rtp(self.packets.rtx_padding(now))

    def receive_rtp(self, packet: bytes) -> None:
        """A sender is sent none."""

    def receive_rtcp(self, packet: RtcpPacket) -> None:
        """Do as the engine asks."""
        match packet:
            case Nack(media_ssrc=ssrc) if ssrc == self.options.ssrc:
                self._send_again(packet.sequence_numbers)
            case PictureLossIndication(media_ssrc=ssrc) if ssrc == self.options.ssrc:
                self._want_key_frame()
            case FullIntraRequest() if any(entry.ssrc == self.options.ssrc for entry in packet.entries):
                self._want_key_frame()
            case TransportFeedback():
                self.feedback.append(packet)
            case ExtendedReport():
                for block in packet.blocks:
                    if isinstance(block, ReceiverReferenceTime):
                        self._reference = packet.ssrc, middle32(block.ntp_timestamp), self.peer.lab.now
            case _:
                pass

    def _want_key_frame(self) -> None:
        self.key_frame_requests += 1
        self._key_frame_wanted = True

    def _send_again(self, sequences: tuple[int, ...]) -> None:
        for sequence in sequences:
            self.nacked.append(sequence)
            packet = self.packets.again(sequence, self.peer.lab.now)
            if self.answers and packet is not None:
                self.resent += 1
                self.peer.send_rtp(packet)

    def _report(self, now: float) -> None:
        """SR, SDES, and the answer to the engine's reference time (RFC 3550 6.4.1, RFC 3611 4.5)."""
        ssrc = self.options.ssrc
        compound: list[RtcpPacket] = [
            SenderReport(
                ssrc=ssrc,
                ntp_timestamp=ntp_from_unix(unix_time(now)),
                rtp_timestamp=self.options.first_timestamp + round(now * CLOCK_RATE),
                packet_count=len(self.packets.sent),
                octet_count=self._octets,
            ),
            SourceDescription((SdesChunk(ssrc, (SdesItem(CNAME, b"synthetic"),)),)),
        ]
        if self._reference is not None:
            asker, reference, at = self._reference
            compound.append(ExtendedReport(ssrc, (Dlrr((DlrrItem(asker, reference, delay_from_seconds(now - at)),)),)))
            self._reference = None
        self.peer.send_rtcp(*compound)
