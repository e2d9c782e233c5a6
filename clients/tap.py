"""A tap on a client's transports: what each stream is, both ways, measured on decrypted packets; hook and capture.

It has no clock and no socket of its own: packets come with their times.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import NamedTuple, Protocol

from clients.dtls import Tap
from clients.measure.packets import (
    FullIntraRequest,
    Goodbye,
    Nack,
    PictureLoss,
    ReceiverReport,
    Remb,
    Rtcp,
    RtpHeader,
    SenderReport,
    is_rtcp,
    read_rtcp,
    read_rtp,
)
from clients.measure.stats import TapReport
from clients.measure.streams import Codec, InboundStream, OutboundStream, Stream
from clients.network import Direction
from clients.pcapng import Capture
from labsfu.errors import Malformed
from labsfu.wire.rtp import MediaKind, RtpParameters, RtxParameters

Address = tuple[str, int]
_NOWHERE: tuple[Address, Address] = (("0.0.0.0", 0), ("0.0.0.0", 0))
"""Of packets that come without their addresses."""


class TappedPacket(NamedTuple):
    """What a hook is given.

    Attributes:
        direction: as the client sees it.
        at: monotonic seconds.
        data: decrypted bytes.
        rtp: its header; None of RTCP.
        rtcp: what the compound packet is made of; empty of RTP.
    """

    direction: Direction
    at: float
    data: bytes
    rtp: RtpHeader | None
    rtcp: tuple[Rtcp, ...]


PacketHook = Callable[[TappedPacket], None]


class Tappable(Protocol):
    """What a tap can be put on, e.g. `WebRtcTransport`."""

    @property
    def selected_pair(self) -> tuple[Address, Address] | None:
        """Local and remote address and port."""

    def add_tap(self, tap: Tap) -> None:
        """Have the tap told of every packet."""


class RtpTap:
    """Measures every stream of a client. Give it to `LabClient`, or put it on transports with `attach`.

    Args:
        unix_offset: seconds from monotonic to wall-clock time, for the delay that sender reports tell; None: no delay.
        capture: where the packets are written to, decrypted.
        hook: told of each packet that can be read, after it has been counted; what it raises ends the transport.
    """

    def __init__(
        self, *, unix_offset: float | None = None, capture: Capture | None = None, hook: PacketHook | None = None
    ) -> None:
        # given
        self._unix_offset = unix_offset
        self._capture = capture
        self.hook = hook
        # owned
        self._codecs: dict[Direction, dict[int, Codec]] = {Direction.UP: {}, Direction.DOWN: {}}
        self._rtx: dict[Direction, dict[int, int]] = {Direction.UP: {}, Direction.DOWN: {}}
        self._inbound: dict[int, InboundStream] = {}
        self._outbound: dict[int, OutboundStream] = {}
        self._compounds: Counter[Direction] = Counter()
        self._unreadable: Counter[str] = Counter()
        self._remb: int | None = None

    def attach(self, transport: Tappable) -> None:
        """Put it on a transport that is up; captured packets get its addresses."""
        pair = transport.selected_pair
        transport.add_tap(self if pair is None else partial(self._take, pair))

    def announce(self, direction: Direction, kind: MediaKind, parameters: RtpParameters) -> None:
        """Say what streams are about to come or to leave: without it there is no kind, jitter, frame or RTX."""
        for codec in parameters.codecs:
            retransmits = codec.mime_type.lower().endswith("/rtx")
            found = Codec(kind.value, codec.mime_type, codec.clock_rate, retransmits)
            self._codecs[direction][codec.payload_type] = found
        for encoding in parameters.encodings:
            if not isinstance(encoding.ssrc, int):
                continue
            self._stream(direction, encoding.ssrc).codec = self._codecs[direction].get(
                parameters.codecs[0].payload_type
            )
            if isinstance(encoding.rtx, RtxParameters):
                self.pair_rtx(direction, encoding.ssrc, encoding.rtx.ssrc)

    def pair_rtx(self, direction: Direction, ssrc: int, rtx_ssrc: int) -> None:
        """Say which stream the RTX of an SSRC belongs to, where no `rtpParameters` do (simulcast by rid)."""
        self._rtx[direction][rtx_ssrc] = ssrc

    def inbound(self, ssrc: int) -> InboundStream | None:
        """A stream that comes, live; None if it was neither announced nor ever came."""
        return self._inbound.get(ssrc)

    def outbound(self, ssrc: int) -> OutboundStream | None:
        """A stream that leaves, live; None if it was neither announced nor ever left."""
        return self._outbound.get(ssrc)

    def report(self, now: float) -> TapReport:
        """All that has been measured so far.

        Args:
            now: monotonic seconds; rates are those of the second before.
        """
        return TapReport(
            inbound=tuple(stream.report(now) for stream in self._inbound.values()),
            outbound=tuple(stream.report(now) for stream in self._outbound.values()),
            rtcp_received=self._compounds[Direction.DOWN],
            rtcp_sent=self._compounds[Direction.UP],
            remb=self._remb,
            unreadable=dict(self._unreadable),
        )

    def __call__(self, direction: Direction, data: bytes, at: float) -> None:
        """Take one packet, decrypted, that came or left at a time (monotonic seconds)."""
        self._take(_NOWHERE, direction, data, at)

    def _take(self, pair: tuple[Address, Address], direction: Direction, data: bytes, at: float) -> None:
        if self._capture is not None:
            self._capture.write(direction, pair, data, at)
        header: RtpHeader | None = None
        rtcp: tuple[Rtcp, ...] = ()
        try:
            if is_rtcp(data):
                rtcp = read_rtcp(data)
            else:
                header = read_rtp(data)
        except Malformed as error:
            self._unreadable[error.reason] += 1
            return
        if header is not None:
            self._media(direction, header, data, at)
        else:
            self._compounds[direction] += 1
            for packet in rtcp:
                self._control(direction, packet, at)
        if self.hook is not None:
            self.hook(TappedPacket(direction, at, data, header, rtcp))

    def _media(self, direction: Direction, header: RtpHeader, data: bytes, at: float) -> None:
        codec = self._codecs[direction].get(header.payload_type)
        media_ssrc = self._rtx[direction].get(header.ssrc)
        if media_ssrc is not None:
            self._stream(direction, media_ssrc).rtx(header, data, at)
        else:
            self._stream(direction, header.ssrc).media(header, codec, len(data), at)

    def _stream(self, direction: Direction, ssrc: int) -> Stream:
        """The stream of an SSRC, made if need be."""
        if direction is Direction.DOWN:
            if ssrc not in self._inbound:
                self._inbound[ssrc] = InboundStream(ssrc, self._unix_offset)
            return self._inbound[ssrc]
        if ssrc not in self._outbound:
            self._outbound[ssrc] = OutboundStream(ssrc)
        return self._outbound[ssrc]

    def _asked_about(self, direction: Direction, ssrc: int) -> Stream | None:
        """The stream that feedback going one way is about: one that goes the other way."""
        return self._inbound.get(ssrc) if direction is Direction.UP else self._outbound.get(ssrc)

    def _control(self, direction: Direction, packet: Rtcp, at: float) -> None:
        match packet:
            case Nack():
                if (stream := self._asked_about(direction, packet.media_ssrc)) is not None:
                    stream.nacks += 1
                    stream.nacked += len(packet.lost)
            case PictureLoss():
                if (stream := self._asked_about(direction, packet.media_ssrc)) is not None:
                    stream.plis += 1
            case FullIntraRequest():
                for ssrc in packet.media_ssrcs:
                    if (stream := self._asked_about(direction, ssrc)) is not None:
                        stream.firs += 1
            case SenderReport() | ReceiverReport():
                self._reports(direction, packet, at)
            case Goodbye():
                for ssrc in packet.ssrcs:
                    self._end(direction, ssrc)
            case Remb() if direction is Direction.DOWN:
                self._remb = packet.bitrate
            case _:
                pass

    def _reports(self, direction: Direction, packet: SenderReport | ReceiverReport, at: float) -> None:
        if direction is Direction.DOWN:
            if isinstance(packet, SenderReport) and (inbound := self._inbound.get(packet.ssrc)) is not None:
                inbound.sender_report(packet)
            for block in packet.reports:
                if (outbound := self._outbound.get(block.ssrc)) is not None:
                    outbound.reported(block, at)
        elif isinstance(packet, SenderReport) and (outbound := self._outbound.get(packet.ssrc)) is not None:
            outbound.sender_report(packet, at)

    def _end(self, direction: Direction, ssrc: int) -> None:
        """A BYE ends streams of the side that said it."""
        stream = self._inbound.get(ssrc) if direction is Direction.DOWN else self._outbound.get(ssrc)
        if stream is not None:
            stream.ended = True
