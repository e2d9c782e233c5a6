"""Synthetic senders and receivers on real transports: all that touches asyncio, besides the clock."""

from __future__ import annotations

import asyncio
import random
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from pylibsrtp import Error as SrtpError

from clients.errors import MediaFailed
from clients.streams import Repairs
from clients.synthetic.clock import PacingClock, pacing_clock
from clients.synthetic.outgoing import OutgoingStream
from clients.synthetic.receiver import SyntheticReceiver
from clients.synthetic.receiving import ReceivingSession
from clients.synthetic.reports import InboundReport, OutboundReport
from clients.synthetic.sending import SendingSession
from clients.synthetic.source import SyntheticSource
from clients.synthetic.terms import SendTerms, reception_terms
from clients.transport import WebRtcTransport
from labsfu.errors import Malformed
from labsfu.wire.rtp import MediaKind, RtpParameters

_LinkT = TypeVar("_LinkT", "SendingLink", "ReceivingLink")


class SendingLink:
    """A transport's sending session, run by the clock; it lives as long as somebody sends.

    Attributes:
        session: what is sent, and how fast.
        malformed: RTCP packets that did not parse.
    """

    def __init__(self, transport: WebRtcTransport, cname: str) -> None:
        self.session = SendingSession(cname=cname, wall_offset=time.time() - time.monotonic())
        self.malformed = 0
        self.senders: set[SyntheticSender] = set()
        self._transport = transport
        self._clock = pacing_clock()
        transport.add_raw_rtcp(self._receive_rtcp)

    @property
    def due(self) -> float:
        """When there is something to do, loop time."""
        return self.session.due

    def run(self, now: float) -> None:
        """Send what is due; a transport that is gone ends its senders."""
        if not _send_all(self._transport, self.session.run(now)):
            for sender in tuple(self.senders):
                sender.finish(None)

    def failed(self, error: Exception) -> None:
        """An encoder raised."""
        for sender in tuple(self.senders):
            sender.finish(error)

    def plan(self) -> None:
        """Have the clock look when we are due."""
        self._clock.plan(self)

    def close(self) -> None:
        """Nobody sends any more."""
        self._clock.forget(self)
        self._transport.remove_raw_rtcp(self._receive_rtcp)

    def _receive_rtcp(self, data: bytes, now: float) -> None:
        try:
            self.session.receive_rtcp(data, now)
        except Malformed:
            self.malformed += 1
        self.plan()


class SyntheticSender:
    """Sends a source over a transport; to `Publisher` what `clients.streams.Sender` is.

    Args:
        transport: connected.
        source: what is sent; begins when this starts.
        terms: as agreed with the server.
        rng: where first sequence numbers and timestamps come from.
    """

    def __init__(
        self, transport: WebRtcTransport, source: SyntheticSource, terms: SendTerms, rng: random.Random | None = None
    ) -> None:
        self.source = source
        self._transport = transport
        self._terms = terms
        self._rng = random.Random() if rng is None else rng
        self._streams: tuple[OutgoingStream, ...] = ()
        self._link: SendingLink | None = None
        self._ended = asyncio.Event()
        self._error: Exception | None = None
        transport.adopt(self)

    @property
    def link(self) -> SendingLink:
        """The transport's sending half: the rate, for all that is sent over it.

        Raises:
            MediaFailed: not started, or stopped.
        """
        if self._link is None:
            raise MediaFailed(f"the synthetic {self.source.kind} is not being sent")
        return self._link

    @property
    def repairs(self) -> Repairs:
        """What it was asked for again."""
        counts = [stream.counts for stream in self._streams]
        return Repairs(
            nacks=sum(c.nacks for c in counts),
            asked=sum(c.nacked_packets for c in counts),
            rtx=sum(c.rtx_packets for c in counts),
            key_frames=sum(c.plis + c.firs for c in counts),
        )

    async def start(self, parameters: RtpParameters) -> None:  # noqa: ARG002 - as agreed: they are in the terms
        """Send. The transport must be connected."""
        self._streams = tuple(
            OutgoingStream(
                terms,
                first_sequence=self._rng.randrange(1 << 16),
                first_rtx_sequence=self._rng.randrange(1 << 16),
                first_timestamp=self._rng.randrange(1 << 32),
            )
            for terms in self._terms.streams
        )
        self._link = _link_of(_sending, self._transport, lambda: SendingLink(self._transport, self._cname()))
        self._link.senders.add(self)
        self._link.session.add(self.source, self._streams, time.monotonic())
        self._link.plan()

    def enable(self, enabled: bool) -> None:
        """Send, or let the slots pass and send nothing."""
        self.source.enabled = enabled

    async def ended(self) -> None:
        """Wait until a started sender sends no more: stopped, or transport gone.

        Raises:
            MediaFailed: the encoder raised.
        """
        await self._ended.wait()
        if self._error is not None:
            raise MediaFailed(f"the synthetic {self.source.kind} raised {self._error!r}") from self._error

    async def stop(self) -> None:
        """Send no more; says BYE if it can. Idempotent."""
        self.finish(None)

    def finish(self, error: Exception | None) -> None:
        """Stop at once; `error` is what `ended` raises."""
        link, self._link = self._link, None
        if link is not None:
            link.senders.discard(self)
            _send_all(self._transport, [link.session.remove(self.source)])
            if not link.senders:
                _sending.pop(self._transport, None)
                link.close()
        if not self._ended.is_set():
            self._error = error
            self._ended.set()

    def reports(self) -> tuple[OutboundReport, ...]:
        """What was sent, of each layer, the lowest first."""
        bitrates = getattr(self.source, "bitrates", (self.source.wish,))
        return tuple(_outbound(self.source, *pair) for pair in zip(self._streams, bitrates, strict=False))

    def _cname(self) -> str:
        cname = self._terms.parameters.rtcp.cname
        return cname if isinstance(cname, str) else ""


class ReceivingLink:
    """A transport's receiving session, run by the clock; it lives as long as somebody receives.

    Attributes:
        session: what is received.
        malformed: packets whose header did not parse, and RTCP that did not.
    """

    def __init__(self, transport: WebRtcTransport, rtcp_ssrc: int) -> None:
        self.session = ReceivingSession(rtcp_ssrc=rtcp_ssrc, cname=f"synthetic-{rtcp_ssrc}")
        self.malformed = 0
        self.receptions: set[SyntheticReception] = set()
        self._transport = transport
        self._clock: PacingClock = pacing_clock()
        self._planned = float("inf")
        transport.add_raw_rtcp(self._receive_rtcp)

    @property
    def due(self) -> float:
        """When there is something to do, loop time."""
        return self.session.due

    def receive(self, data: bytes, now: float) -> None:
        """A packet of one of our SSRCs."""
        session = self.session
        try:
            session.receive(data, now)
        except Malformed:
            self.malformed += 1
        if session.due < self._planned:
            self.plan()

    def run(self, now: float) -> None:
        """Send what is due; a transport that is gone ends its receptions."""
        if not _send_all(self._transport, self.session.run(now)):
            for reception in tuple(self.receptions):
                reception.finish()
        self._planned = self.session.due

    def failed(self, error: Exception) -> None:
        """A receiver raised: an error of ours, not of the network."""
        for reception in tuple(self.receptions):
            reception.error = error
            reception.finish()

    def plan(self) -> None:
        """Have the clock look when we are due."""
        self._planned = self.session.due
        self._clock.plan(self)

    def close(self) -> None:
        """Nobody receives any more."""
        self._clock.forget(self)
        self._transport.remove_raw_rtcp(self._receive_rtcp)

    def _receive_rtcp(self, data: bytes, now: float) -> None:
        try:
            self.session.receive_rtcp(data, now)
        except Malformed:
            self.malformed += 1


class SyntheticReception:
    """Receives one stream over a transport; to `Subscriber` what `clients.streams.Receiver` is.

    Args:
        kind: of the stream.
        transport: connected.
        parameters: the consumer's.
        rtcp_ssrc: what the transport's reports are sent as, if this is the first to receive over it.

    Attributes:
        track: without frames; it ends when the reception does.
        error: an error of ours that ended it.

    Raises:
        NothingInCommon: there is no synthetic receiver for this codec.
    """

    def __init__(
        self, kind: MediaKind, transport: WebRtcTransport, parameters: RtpParameters, *, rtcp_ssrc: int
    ) -> None:
        self.track = EmptyTrack(kind)
        self.error: Exception | None = None
        self._transport = transport
        self._terms = reception_terms(parameters)
        self._rtcp_ssrc = rtcp_ssrc
        self._link: ReceivingLink | None = None
        self._receiver: SyntheticReceiver | None = None
        transport.adopt(self)

    @property
    def receiver(self) -> SyntheticReceiver:
        """What keeps the books.

        Raises:
            MediaFailed: not started.
        """
        if self._receiver is None:
            raise MediaFailed("the synthetic receiver has not been started")
        return self._receiver

    @property
    def repairs(self) -> Repairs:
        """What it asked for again, and got."""
        report = self.report()
        return Repairs(
            nacks=report.nack_count,
            asked=report.nacked_packets,
            rtx=report.retransmitted_packets_received,
            key_frames=report.pli_count,
        )

    async def start(self) -> None:
        """Receive from now on."""
        link = _link_of(_receiving, self._transport, lambda: ReceivingLink(self._transport, self._rtcp_ssrc))
        self._link = link
        self._receiver = SyntheticReceiver(self._terms, rtcp_ssrc=link.session.rtcp_ssrc)
        link.receptions.add(self)
        link.session.add(self._receiver, time.monotonic())
        self._transport.add_raw_receiver(self._ssrcs(), link.receive)
        link.plan()

    def report(self) -> InboundReport:
        """What was received so far."""
        return self.receiver.report(time.monotonic())

    async def stop(self) -> None:
        """Receive no more; the track ends. Idempotent."""
        self.finish()

    def finish(self) -> None:
        """Stop at once."""
        link, self._link = self._link, None
        if link is not None:
            self._transport.remove_raw_receiver(self._ssrcs())
            link.session.remove(self.receiver)
            link.receptions.discard(self)
            if not link.receptions:
                _receiving.pop(self._transport, None)
                link.close()
        self.track.stop()

    def _ssrcs(self) -> list[int]:
        return [ssrc for ssrc in (self._terms.ssrc, self._terms.rtx_ssrc) if ssrc is not None]


class EmptyTrack(MediaStreamTrack):
    """A track that never has a frame: there is nothing to decode in what is made up."""

    def __init__(self, kind: MediaKind) -> None:
        super().__init__()
        self.kind = kind.value
        self._over = asyncio.Event()

    async def recv(self) -> object:  # type: ignore[override] # it returns never
        """Wait for the end.

        Raises:
            MediaStreamError: it has come.
        """
        await self._over.wait()
        raise MediaStreamError

    def stop(self) -> None:
        """End it."""
        super().stop()
        self._over.set()


_sending: weakref.WeakKeyDictionary[WebRtcTransport, SendingLink] = weakref.WeakKeyDictionary()
_receiving: weakref.WeakKeyDictionary[WebRtcTransport, ReceivingLink] = weakref.WeakKeyDictionary()


def _link_of(
    links: weakref.WeakKeyDictionary[WebRtcTransport, _LinkT], transport: WebRtcTransport, make: Callable[[], _LinkT]
) -> _LinkT:
    link = links.get(transport)
    if link is None:
        link = links[transport] = make()
    return link


def _send_all(transport: WebRtcTransport, packets: list[bytes]) -> bool:
    """False when the transport is gone. A packet that SRTP refuses is lost, as on the way."""
    try:
        for data in packets:
            with suppress(SrtpError):
                transport.send_raw(data)
    except ConnectionError:
        return False
    return True


def _outbound(source: SyntheticSource, stream: OutgoingStream, bitrate: float) -> OutboundReport:
    counts = stream.counts
    return OutboundReport(
        ssrc=stream.terms.ssrc,
        rid=stream.terms.rid or None,
        kind=source.kind,
        active=source.enabled and bitrate > 0,
        target_bitrate=bitrate,
        packets_sent=counts.packets,
        bytes_sent=counts.payload_octets,
        header_bytes_sent=counts.header_octets,
        retransmitted_packets_sent=counts.rtx_packets,
        retransmitted_bytes_sent=counts.rtx_octets,
        frames_encoded=counts.frames,
        key_frames_encoded=counts.key_frames,
        nack_count=counts.nacks,
        nacked_packets=counts.nacked_packets,
        pli_count=counts.plis,
        fir_count=counts.firs,
        round_trip_time=stream.round_trip,
        fraction_lost=stream.fraction_lost,
        packets_lost=stream.packets_lost,
    )
