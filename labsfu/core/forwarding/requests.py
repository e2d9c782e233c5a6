"""What is asked of a sender: key frames, and packets that are missing (RFC 4585 6.2.1, 6.3.1; RFC 5104 4.3.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from labsfu.core.forwarding.consumer import Consumer
from labsfu.core.forwarding.inbound import InboundStream
from labsfu.core.forwarding.link import Link
from labsfu.core.forwarding.producer import Producer
from labsfu.core.forwarding.round_trips import RoundTrips
from labsfu.core.rtcp.fir import FirEntry, FullIntraRequest
from labsfu.core.rtcp.nack import Nack
from labsfu.core.rtcp.pli import PictureLossIndication
from labsfu.wire.ids import ProducerId

DEFAULT_ROUND_TRIP = 0.1
"""Seconds to the sender and back, until it is measured (mediasoup 3.2)."""

MAX_NACKED = 250
"""Numbers in one NACK: if none is near another, each takes four octets, and the packet must fit any path."""


class SenderRequests:
    """The requests to one peer about what it sends.

    Given: the link, the producers (shared with the session), our SSRC, the round trips to the peer, whom to tell that
    a key frame was asked for. Owned: the number of the last FIR.
    """

    __slots__ = ("_fir_sequence", "_link", "_own_ssrc", "_producers", "_requested", "_round_trips")

    def __init__(
        self,
        link: Link,
        producers: dict[ProducerId, Producer],
        own_ssrc: int,
        round_trips: RoundTrips,
        requested: Callable[[Producer, int], None],
    ) -> None:
        self._link = link
        self._producers = producers
        self._own_ssrc = own_ssrc
        self._round_trips = round_trips
        self._requested = requested
        self._fir_sequence = 0

    def key_frame(self, producer: Producer, now: float, consumer: Consumer | None = None) -> None:
        """Ask for a key frame of what a consumer sees, or of what somebody waits for, unless it was just asked."""
        for stream in producer.awaited() if consumer is None else producer.shown_to(consumer):
            self._key_frame_of(producer, stream, now)

    def _key_frame_of(self, producer: Producer, stream: InboundStream, now: float) -> None:
        stream.key_frames.round_trip = self._round_trips.value or DEFAULT_ROUND_TRIP
        if self._link.up and not stream.ended and stream.key_frames.want(now):
            self._send_key_frame_request(producer, stream)

    def _send_key_frame_request(self, producer: Producer, stream: InboundStream) -> None:
        """PLI (RFC 4585 6.3.1), else FIR (RFC 5104 4.3.1), else nothing can be done."""
        ssrc = stream.ssrc
        if ("nack", "pli") in producer.feedback:
            stream.plis += 1
            self._link.send_rtcp(PictureLossIndication(self._own_ssrc, ssrc).encode())
        elif ("ccm", "fir") in producer.feedback:
            stream.firs += 1
            self._fir_sequence = (self._fir_sequence + 1) & 0xFF
            self._link.send_rtcp(FullIntraRequest(self._own_ssrc, (FirEntry(ssrc, self._fir_sequence),)).encode())
        else:
            return
        self._requested(producer, ssrc)

    def tick(self, now: float) -> None:
        """Repeat key-frame requests, ask for missing packets; for what nobody watches, neither.

        Of a stream that somebody went over from, only what is missing from before.
        """
        for producer in self._producers.values():
            if producer.tick(now):
                self.key_frame(producer, now)
        for producer, stream in self._streams():
            if producer.paused or stream.ended or not producer.watches(stream):
                stream.key_frames.forget()
                if stream.nack is not None:
                    stream.nack.reset(-1 if producer.paused or stream.ended else producer.left_at(stream))
            elif stream.key_frames.tick(now):
                self._send_key_frame_request(producer, stream)
            self._ask_for_missing(producer, stream, now)

    def _ask_for_missing(self, producer: Producer, stream: InboundStream, now: float) -> None:
        nack = stream.nack
        if nack is None:
            return
        numbers = nack.due(now, self._round_trips.value or DEFAULT_ROUND_TRIP)
        for first in range(0, len(numbers), MAX_NACKED):
            missing = tuple(number & 0xFFFF for number in numbers[first : first + MAX_NACKED])
            stream.nacks += 1
            stream.nacked += len(missing)
            self._link.send_rtcp(Nack(self._own_ssrc, stream.ssrc, missing).encode())
        if nack.take_overflow():
            self._key_frame_of(producer, stream, now)

    def deadlines(self) -> Iterator[float]:
        """When `tick` has something to do."""
        for producer in self._producers.values():
            at = producer.deadline()
            if at is not None:
                yield at
        for _, stream in self._streams():
            at = stream.key_frames.deadline()
            if at is not None:
                yield at
            at = None if stream.nack is None else stream.nack.deadline()
            if at is not None:
                yield at

    def _streams(self) -> Iterator[tuple[Producer, InboundStream]]:
        for producer in self._producers.values():
            for stream in producer.streams.values():
                yield producer, stream
