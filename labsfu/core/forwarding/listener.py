"""Which producer and encoding an incoming packet belongs to: by SSRC, then by MID, then by RID (RFC 8843 9.2)."""

from __future__ import annotations

from collections.abc import Callable

from labsfu.core.forwarding.arrival import Arrival
from labsfu.core.forwarding.consumer import NACK
from labsfu.core.forwarding.inbound import InboundStream, RepairStream
from labsfu.core.forwarding.nack_generator import NackGenerator
from labsfu.core.forwarding.packet_history import PacketHistory
from labsfu.core.forwarding.producer import Producer
from labsfu.core.forwarding.sender_clock import SenderClock
from labsfu.core.rtp.values import decode_mid
from labsfu.core.uris import MID, REPAIRED_RTP_STREAM_ID, RTP_STREAM_ID
from labsfu.errors import Malformed
from labsfu.wire.base import ABSENT
from labsfu.wire.rtp import MediaKind, RtpCodecParameters

MAX_AGE = {MediaKind.AUDIO: 1.0, MediaKind.VIDEO: 2.0}
"""Seconds for which a packet is kept to be sent again (mediasoup 3.5)."""


class RtpListener:
    """The producers of one transport, and the streams found for them.

    Given: the sender's clock, and whom to tell of an SSRC that is known no more.

    Each producer has as many streams as it announced encodings: a peer cannot make us remember more.
    """

    __slots__ = ("_clock", "_forgotten", "_producers", "repairs", "streams")

    def __init__(self, clock: SenderClock, forgotten: Callable[[int], None]) -> None:
        self._clock = clock
        self._forgotten = forgotten
        self._producers: list[Producer] = []
        self.streams: dict[int, tuple[Producer, InboundStream]] = {}
        self.repairs: dict[int, tuple[Producer, RepairStream]] = {}

    def add(self, producer: Producer) -> None:
        """Listen for a producer."""
        self._producers.append(producer)

    def remove(self, producer: Producer) -> None:
        """Listen for it no more, and forget its streams."""
        self._producers.remove(producer)
        for ssrc in producer.streams:
            self._forget(ssrc)

    def knows(self, ssrc: int) -> bool:
        """Whether it is known whose this SSRC is."""
        return ssrc in self.streams or ssrc in self.repairs

    def identify(self, arrival: Arrival) -> None:
        """Find out whose an SSRC is that was not seen before, and remember it in `streams` or `repairs`.

        Raises:
            Malformed: `unknown-ssrc`; `unknown-rid`, `unknown-payload-type` where the producer is known but not its
                encoding or the codec; `padding-before-media`, `rtx-before-media` for what says nothing of a stream
                that is not there yet.
        """
        header = arrival.header
        producer = self._by_ssrc(header.ssrc) or self._by_mid(arrival)
        if producer is None:
            raise Malformed("unknown-ssrc")
        repairs = producer.repairs(header.payload_type)
        rid = _text(arrival, producer.extension_id(REPAIRED_RTP_STREAM_ID if repairs else RTP_STREAM_ID))
        encoding = producer.encoding_of(header.ssrc, rid)
        if encoding is None:
            raise Malformed("unknown-rid")
        if repairs:
            self._add_repair(producer, header.ssrc, encoding)
            return
        codec = producer.codec(header.payload_type)
        if codec is None:
            raise Malformed("unknown-payload-type")
        if not header.payload_length:
            raise Malformed("padding-before-media")
        self._add_stream(producer, header.ssrc, codec, encoding)

    def _add_stream(self, producer: Producer, ssrc: int, codec: RtpCodecParameters, encoding: int) -> None:
        formers = [s for s in producer.streams.values() if s.encoding == encoding and s.ssrc != ssrc]
        for former in formers:
            # An unannounced stream is followed by another: the peer changed its SSRC (RFC 3550 8.2).
            self._forget(former.ssrc)
        kind = producer.terms.kind
        nack = NackGenerator() if NACK in codec.rtcp_feedback else None
        stream = InboundStream(
            ssrc,
            codec.clock_rate,
            self._clock,
            PacketHistory(MAX_AGE[kind]),
            nack,
            kept=kind is MediaKind.VIDEO or nack is not None,
            mime_type=codec.mime_type,
            encoding=encoding,
        )
        for former in formers:  # so that changing it earns no key-frame requests
            former.key_frames.received()
            stream.key_frames = former.key_frames
        producer.add_stream(stream)
        self.streams[ssrc] = producer, stream

    def _add_repair(self, producer: Producer, ssrc: int, encoding: int) -> None:
        """One for each stream of media: another takes the place of the one before."""
        stream = next((s for s in producer.streams.values() if s.encoding == encoding), None)
        if stream is None:
            raise Malformed("rtx-before-media")
        self._forget_repairs(stream)
        self.repairs[ssrc] = producer, RepairStream(ssrc, stream)

    def _forget(self, ssrc: int) -> None:
        _, stream = self.streams.pop(ssrc)
        self._forgotten(ssrc)
        self._forget_repairs(stream)

    def _forget_repairs(self, stream: InboundStream) -> None:
        for ssrc in [ssrc for ssrc, (_, repair) in self.repairs.items() if repair.media is stream]:
            del self.repairs[ssrc]
            self._forgotten(ssrc)

    def _by_ssrc(self, ssrc: int) -> Producer | None:
        return next((producer for producer in self._producers if producer.owns_ssrc(ssrc)), None)

    def _by_mid(self, arrival: Arrival) -> Producer | None:
        """By MID; by RID alone where a producer has no MID (RFC 8852 3: a RID says something only within a MID)."""
        for producer in self._producers:
            if producer.announces_ssrcs:
                continue
            wanted = producer.terms.rtp_parameters.mid
            if wanted is ABSENT:
                rid = _text(arrival, producer.extension_id(RTP_STREAM_ID))
                if rid is not None and producer.encoding_of(arrival.header.ssrc, rid) is not None:
                    return producer
            elif _text(arrival, producer.extension_id(MID)) == wanted:
                return producer
        return None


def _text(arrival: Arrival, extension_id: int | None) -> str | None:
    """The value of a MID, RID or repaired RID; None where the packet has none."""
    element = arrival.elements.get(extension_id or 0)
    return None if element is None else decode_mid(arrival.buffer, *element)
