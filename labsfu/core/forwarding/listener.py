"""Which producer an incoming packet belongs to: by SSRC, then by MID (RFC 8843 9.2, mediasoup's RtpListener)."""

from __future__ import annotations

from collections.abc import Callable

from labsfu.core.forwarding.inbound import InboundStream
from labsfu.core.forwarding.producer import Producer
from labsfu.core.forwarding.sender_clock import SenderClock
from labsfu.core.rtp.extensions import find_extensions
from labsfu.core.rtp.packet import Buffer, RtpHeader
from labsfu.core.rtp.values import decode_mid
from labsfu.core.uris import MID
from labsfu.errors import Malformed
from labsfu.wire.base import ABSENT


class RtpListener:
    """The producers of one transport, and the streams found for them.

    Given: the sender's clock, and whom to tell of an SSRC that is known no more.

    Each producer has as many streams as it announced encodings: a peer cannot make us remember more.
    """

    __slots__ = ("_clock", "_forgotten", "_producers", "streams")

    def __init__(self, clock: SenderClock, forgotten: Callable[[int], None]) -> None:
        self._clock = clock
        self._forgotten = forgotten
        self._producers: list[Producer] = []
        self.streams: dict[int, tuple[Producer, InboundStream]] = {}

    def add(self, producer: Producer) -> None:
        """Listen for a producer."""
        self._producers.append(producer)

    def remove(self, producer: Producer) -> None:
        """Listen for it no more, and forget its streams."""
        self._producers.remove(producer)
        for ssrc in producer.streams:
            self._forget(ssrc)

    def identify(self, buffer: Buffer, header: RtpHeader) -> tuple[Producer, InboundStream]:
        """Find out whose an SSRC is that was not seen before, and remember it.

        Raises:
            Malformed: `unknown-ssrc`, or `unknown-payload-type` where the producer is known but not the codec.
        """
        producer = self._by_ssrc(header.ssrc) or self._by_mid(buffer, header)
        if producer is None:
            raise Malformed("unknown-ssrc")
        codec = producer.codec(header.payload_type)
        if codec is None:
            raise Malformed("unknown-payload-type")
        for ssrc in [ssrc for ssrc in producer.streams if not producer.owns_ssrc(ssrc)]:
            # An unannounced stream is followed by another: the peer changed its SSRC (RFC 3550 8.2).
            del producer.streams[ssrc]
            self._forget(ssrc)
        stream = InboundStream(header.ssrc, codec.clock_rate, self._clock)
        producer.add_stream(stream)
        self.streams[header.ssrc] = producer, stream
        return producer, stream

    def _forget(self, ssrc: int) -> None:
        del self.streams[ssrc]
        self._forgotten(ssrc)

    def _by_ssrc(self, ssrc: int) -> Producer | None:
        return next((producer for producer in self._producers if producer.owns_ssrc(ssrc)), None)

    def _by_mid(self, buffer: Buffer, header: RtpHeader) -> Producer | None:
        elements = find_extensions(buffer, header)
        for producer in self._producers:
            wanted = producer.terms.rtp_parameters.mid
            element = elements.get(producer.extension_id(MID) or 0)
            if element is None or wanted is ABSENT or producer.announces_ssrcs:
                continue
            if decode_mid(buffer, *element) == wanted:
                return producer
        return None
