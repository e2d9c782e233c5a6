"""A producer: media from one peer, handed to every consumer of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from labsfu.core.codecs.registry import is_key_frame_for
from labsfu.core.drops import Drops
from labsfu.core.forwarding.arrival import Arrival
from labsfu.core.forwarding.consumer import SCORE_BURST, SCORE_RATE, Consumer, FormKey
from labsfu.core.forwarding.form import PacketForm
from labsfu.core.forwarding.inbound import InboundStream, RepairStream, original_packet, original_sequence
from labsfu.core.forwarding.layers import Layers
from labsfu.core.forwarding.reception import DISCARDED
from labsfu.core.observers.hearing import Voice
from labsfu.core.rtp.values import abs_send_time_from_seconds
from labsfu.core.token_bucket import TokenBucket
from labsfu.core.uris import ABS_SEND_TIME, AUDIO_LEVEL, TRANSPORT_WIDE_CC
from labsfu.errors import Malformed
from labsfu.wire.base import ABSENT, Absent, JsonObject
from labsfu.wire.events import LayersReason
from labsfu.wire.ids import ParticipantId, ProducerId
from labsfu.wire.rtp import MediaKind, ProducerType, RtpCodecParameters, RtpParameters, RtxParameters
from labsfu.wire.sfu import ProducerScore


@dataclass(frozen=True, slots=True)
class ProducerTerms:
    """What was negotiated for a producer.

    Attributes:
        rtp_parameters: what the peer sends.
        payload_types: its payload types to the router's.
        consumable: the same media as the router offers it to consumers.
        created_at: epoch milliseconds.
    """

    id: ProducerId
    participant_id: ParticipantId
    kind: MediaKind
    type: ProducerType
    rtp_parameters: RtpParameters
    payload_types: dict[int, int]
    consumable: RtpParameters
    created_at: int


@dataclass(slots=True)
class _Group:
    """Consumers that take packets in the same form."""

    payload_types: frozenset[int]
    form: PacketForm
    consumers: list[Consumer]


class ProducerWatcher(Protocol):
    """Is told what happens to a producer of its own accord. It looks whether anything changed."""

    def producer_scored(self, producer: Producer, now: float) -> None:
        """How well its streams arrive may have changed."""

    def consumer_scored(self, consumer: Consumer, now: float) -> None:
        """How well one of its consumers is reached may have changed."""

    def layers_changed(self, consumer: Consumer, layers: Layers, reason: LayersReason) -> None:
        """One of its consumers is sent other layers."""


class Producer:
    """Takes in packets of a peer's stream and gives them to its consumers.

    Given: what was negotiated. Owned: incoming streams, groups of consumers. `drops` counts packets by reason.
    It is `paused` while it is asked to, or is `held` since what it is a copy of is stopped.
    `rtp_parameters` are those of the terms, with what was changed since (`encodings[].active`, `maxBitrate`).
    """

    __slots__ = (
        "_again",
        "_codecs",
        "_described",
        "_extension_ids",
        "_groups",
        "_key_frame_tests",
        "_level_id",
        "_payload_types",
        "_repaired_payload_types",
        "_timed",
        "active",
        "app_data",
        "asked_to_pause",
        "consumers",
        "drops",
        "feedback",
        "held",
        "paused",
        "rtp_parameters",
        "scores_told",
        "streams",
        "terms",
        "told_score",
        "transport_cc",
        "voice",
        "watcher",
    )

    def __init__(self, terms: ProducerTerms, *, paused: bool, app_data: JsonObject | Absent = ABSENT) -> None:
        parameters = terms.rtp_parameters
        self.terms = terms
        self.change(parameters)
        self.app_data = app_data
        self.asked_to_pause = paused
        self.held = False
        self.paused = paused
        self.drops = Drops()
        self.streams: dict[int, InboundStream] = {}
        self.consumers: dict[Consumer, None] = {}
        """In the order of their coming; of a consumer with several streams each part."""
        self.feedback = {(f.type, f.parameter) for codec in parameters.codecs for f in codec.rtcp_feedback}
        media = [codec for codec in parameters.codecs if not codec.mime_type.lower().endswith("/rtx")]
        self._payload_types = {codec.payload_type: terms.payload_types[codec.payload_type] for codec in media}
        self._codecs = {codec.payload_type: codec for codec in media}
        self._repaired_payload_types = {
            codec.payload_type: int(codec.parameters["apt"]) for codec in parameters.codecs if codec not in media
        }
        self._key_frame_tests = {codec.payload_type: is_key_frame_for(codec.mime_type) for codec in media}
        self._extension_ids = {extension.uri: extension.id for extension in parameters.header_extensions}
        self._level_id = self._extension_ids.get(AUDIO_LEVEL, 0) if terms.kind is MediaKind.AUDIO else 0
        self.voice: Voice | None = None
        """Who hears it; whoever keeps the producer sets it."""
        self._groups: dict[FormKey, _Group] = {}
        self._timed = False
        self._described: frozenset[int] = frozenset()
        self._again = Arrival()  # a packet that is sent once more
        self.told_score: tuple[ProducerScore, ...] = ()
        self.scores_told = TokenBucket(SCORE_RATE, SCORE_BURST)
        self.watcher: ProducerWatcher | None = None
        """Who is told of scores and layers; whoever keeps the producer sets it."""
        self.transport_cc = TRANSPORT_WIDE_CC in self._extension_ids and ("transport-cc", "") in self.feedback
        """Whether the peer wants to be told when its packets arrived."""

    def codec(self, payload_type: int) -> RtpCodecParameters | None:
        """The media codec that the peer sends as `payload_type`, if it said so."""
        return self._codecs.get(payload_type)

    def repairs(self, payload_type: int) -> bool:
        """Whether the peer sends retransmissions as `payload_type` (RFC 4588)."""
        return payload_type in self._repaired_payload_types

    def extension_id(self, uri: str) -> int | None:
        """The id under which the peer sends a header extension, if it does."""
        return self._extension_ids.get(uri)

    @property
    def tells_level(self) -> bool:
        """Whether the peer says how loud it is (RFC 6464)."""
        return self._level_id != 0

    def change(self, parameters: RtpParameters) -> None:
        """Take parameters in which no more is changed than may be; `active` says whether the encoding is on."""
        self.rtp_parameters = parameters
        self.active = parameters.encodings[0].active is not False

    def allows(self, consumer: Consumer) -> bool:  # noqa: ARG002 - all have the same encoding, here
        """Whether the encoding that a consumer is sent, or some that it could be, is on."""
        return self.active

    @property
    def adds_redundancy(self) -> bool:
        """Whether the encoder has in-band FEC on (RFC 7587 6.1)."""
        return any(str(codec.parameters.get("useinbandfec", "0")) == "1" for codec in self._codecs.values())

    @property
    def wants_key_frame(self) -> bool:
        """Whether some consumer can show nothing before the next key frame."""
        return any(consumer.wants_key_frame for consumer in self.consumers)

    def owns_ssrc(self, ssrc: int) -> bool:
        """Whether the peer announced this SSRC for the producer, for media or for retransmissions."""
        return any(
            ssrc == encoding.ssrc or (isinstance(encoding.rtx, RtxParameters) and ssrc == encoding.rtx.ssrc)
            for encoding in self.terms.rtp_parameters.encodings
        )

    @property
    def announces_ssrcs(self) -> bool:
        """Whether the peer announced any SSRC: then it sends no other."""
        return any(encoding.ssrc is not ABSENT for encoding in self.terms.rtp_parameters.encodings)

    # ---------------------------------------------------------------- streams

    def source_of(self, consumer: Consumer) -> InboundStream | None:  # noqa: ARG002 - all have the same, here
        """The stream that a consumer is sent; None before it is heard."""
        return next(iter(self.streams.values()), None)

    def _takers(self, stream: InboundStream) -> list[Consumer]:
        """The consumers that are sent a stream."""
        return [consumer for consumer in self.consumers if self.source_of(consumer) is stream]

    def score_of(self, stream: InboundStream) -> int:
        """How well a stream arrives, 0 (nothing) to 10."""
        return stream.score.value

    def consumer_stopped(self, consumer: Consumer) -> None:
        """A consumer may be sent nothing any more."""

    def link_lost(self, now: float) -> None:
        """Nothing can come any more until the link is back."""

    def scored(self, now: float) -> None:
        """How well streams arrive may have changed."""
        if self.watcher is not None:
            self.watcher.producer_scored(self, now)

    def consumer_scored(self, consumer: Consumer, now: float) -> None:
        """How well a consumer is reached may have changed."""
        if self.watcher is not None:
            self.watcher.consumer_scored(consumer, now)

    def watches(self, stream: InboundStream) -> bool:
        """Whether some consumer is being sent a stream, or would be."""
        return stream.ssrc in self.streams and any(consumer.active for consumer in self.consumers)

    def left_at(self, stream: InboundStream) -> int:  # noqa: ARG002 - none is ever left, here
        """The last number of a stream that somebody was sent who went over to another; negative when nobody did."""
        return -1

    def awaited(self) -> list[InboundStream]:
        """The streams of which somebody waits for a key frame."""
        return list(self.streams.values())

    def shown_to(self, consumer: Consumer) -> list[InboundStream]:  # noqa: ARG002 - all have the same, here
        """The streams of which a key frame mends what a consumer sees."""
        return list(self.streams.values())

    def tick(self, now: float) -> bool:  # noqa: ARG002 - nothing is ever due, here
        """Do what is due; True when somebody waits for a key frame of another stream now."""
        return False

    def deadline(self) -> float | None:
        """When `tick` has something to do."""
        return None

    def encoding_of(self, ssrc: int, rid: str | None) -> int | None:
        """The index of the encoding that an incoming stream is, by what it is known by; None when it is none of ours.

        One that was announced without SSRC and RID is whatever comes.
        """
        encodings = self.terms.rtp_parameters.encodings
        for index, encoding in enumerate(encodings):
            announced = encoding.rtx.ssrc if isinstance(encoding.rtx, RtxParameters) else None
            if ssrc in (encoding.ssrc, announced) or (rid is not None and rid == encoding.rid):
                return index
        alone = len(encodings) == 1 and encodings[0].ssrc is ABSENT
        return 0 if alone and (rid is None or encodings[0].rid is ABSENT) else None

    def add_stream(self, stream: InboundStream) -> None:
        """A stream of ours was heard for the first time: what consumers are sent begins anew with it."""
        self.streams.clear()
        self.streams[stream.ssrc] = stream
        for consumer in self.consumers:
            consumer.begin_anew()

    def add_consumer(self, consumer: Consumer) -> None:
        """Let a consumer have what comes from now on."""
        self.consumers[consumer] = None
        key = consumer.form_key
        group = self._groups.get(key)
        if group is None:
            form = PacketForm(consumer.extensions, consumer.mid_length, self._extension_ids)
            group = self._groups[key] = _Group(consumer.payload_types, form, [])
        group.consumers.append(consumer)
        self._timed = self._timed or consumer.negotiated(ABS_SEND_TIME)

    def remove_consumer(self, consumer: Consumer) -> None:
        """Give a consumer nothing any more. Idempotent."""
        if consumer not in self.consumers:
            return
        del self.consumers[consumer]
        key = consumer.form_key
        group = self._groups[key]
        group.consumers.remove(consumer)
        if not group.consumers:
            del self._groups[key]
        if not self._groups:  # nobody is left who could miss a packet
            for stream in self.streams.values():
                stream.history.clear()

    # ---------------------------------------------------------------- packets in

    def receive(self, stream: InboundStream, arrival: Arrival) -> bool:
        """Take in one packet of one of our streams.

        Returns:
            True when somebody is waiting for a key frame still: the sender should be asked for one.
        """
        header = arrival.header
        number = stream.receive(header.sequence_number, header.timestamp, arrival.length, arrival.now)
        if number < 0:
            self._drop(stream, "sequence-jump" if number == DISCARDED else "duplicate")
            return False
        if self.voice is not None and number == stream.newest:  # what comes late was made up for
            self._hear(self.voice, arrival)
        return self._forward(stream, number, arrival)

    def _hear(self, voice: Voice, arrival: Arrival) -> None:
        """Read how loud a packet says it is; one that does not say so (as it should) tells nothing."""
        element = arrival.elements.get(self._level_id)
        if element is not None and element[1] == 1 and arrival.header.payload_type in self._payload_types:
            voice.hear(arrival.buffer[element[0]] & 0x7F, arrival.now)

    def receive_repair(self, repair: RepairStream, arrival: Arrival) -> bool:
        """Take in one RTX packet; returns what `receive` does.

        Raises:
            Malformed: `rtx-too-short`.
        """
        header, now, stream = arrival.header, arrival.now, repair.media
        if not repair.receive(header, arrival.length, now):
            self._drop_repair(stream, "sequence-jump")
            return False
        if not header.payload_length:
            self._drop_repair(stream, "rtx-padding-only")  # a sender that probes the path
            return False
        stream.retransmitted += 1
        payload_type = self._repaired_payload_types.get(header.payload_type)
        number = stream.misses(original_sequence(arrival.buffer, header))
        if number < 0 or payload_type is None:
            self._drop_repair(stream, "rtx-not-missing")
            return False
        stream.repair(number, now)
        packet = original_packet(arrival.buffer, header, stream.ssrc, payload_type)
        arrival.read(packet, len(packet), now, arrival.unix_now)
        return self._forward(stream, number, arrival)

    def _drop(self, stream: InboundStream, reason: str) -> None:
        """A packet of a stream goes no further."""
        self.drops.count(reason)
        stream.drop(reason)

    def _drop_repair(self, stream: InboundStream, reason: str) -> None:
        """An RTX packet of a stream goes no further: nothing is lost by that."""
        self.drops.count(reason)
        stream.drops.count(reason)

    def _forward(self, stream: InboundStream, number: int, arrival: Arrival) -> bool:
        """Hand a packet that was not seen before to every consumer."""
        header = arrival.header
        if stream.reception.restarts != stream.relayed_restarts:
            self._begin_anew(stream)
        payload_type = self._payload_types.get(header.payload_type)
        if payload_type is None:
            self._drop(stream, "unknown-payload-type")
            return False
        if self.paused or not self.active:
            self._drop(stream, "producer-paused" if self.paused else "encoding-inactive")
            return False
        if header.payload_type in self._described and not self._describe(stream, number, arrival):
            return False
        if self._groups and stream.kept:
            stream.history.store(number, arrival.copy(), arrival.now)
        if not header.payload_length:
            self._skip(stream, number, arrival, payload_type)
            return False
        test = self._key_frame_tests[header.payload_type]
        key_frame = test is not None and test(arrival.buffer, header.payload_offset, header.payload_length)
        if key_frame:
            stream.key_frames.received()
            if stream.nack is not None:
                stream.nack.key_frame(number)
            if number < stream.newest:
                return self._start_late(stream, number, arrival, payload_type)
        waiting = self._relay(stream, arrival, payload_type, number, key_frame)
        if number < stream.newest:
            for consumer in self._takers(stream):
                consumer.sent_late(number, arrival.now)
        return waiting

    def _describe(self, stream: InboundStream, number: int, arrival: Arrival) -> bool:
        """Read what a payload says of itself; one that cannot be read is left out."""
        try:
            arrival.describe()
        except Malformed as malformed:
            self._drop(stream, malformed.reason)
            for consumer in self._takers(stream):
                consumer.skip(number, malformed.reason)
            return False
        if arrival.descriptor is not None:
            temporal = arrival.descriptor.temporal_id
            if temporal < 0:  # it does not say
                temporal = 0
            stream.layer_bytes[temporal] += arrival.length
        return True

    def _relay(
        self,
        stream: InboundStream,  # noqa: ARG002 - which one it is matters where there are several
        arrival: Arrival,
        payload_type: int,
        number: int,
        key_frame: bool,
    ) -> bool:
        send_time = abs_send_time_from_seconds(arrival.unix_now) if self._timed else 0
        timestamp = arrival.header.timestamp
        waiting = False
        for group in self._groups.values():
            if payload_type not in group.payload_types:
                for consumer in group.consumers:
                    consumer.skip(number, "payload-type-not-negotiated")
                continue
            form = group.form
            if not form.render(arrival, payload_type, send_time):
                for consumer in group.consumers:
                    consumer.skip(number, "rtp-too-long")
                continue
            for consumer in group.consumers:
                if consumer.active and not consumer.relay(form, number, timestamp, key_frame):
                    waiting = waiting or consumer.wants_key_frame
        return waiting

    def _start_late(self, stream: InboundStream, number: int, arrival: Arrival, payload_type: int) -> bool:
        """A key frame whose first packet was overtaken, or lost: who waits begins here, with what came before it."""
        starting = [consumer for consumer in self.consumers if consumer.wants_key_frame]
        waiting = self._relay(stream, arrival, payload_type, number, True)
        takers = set(self._takers(stream))
        started = [consumer for consumer in starting if consumer in takers and not consumer.wants_key_frame]
        if started:
            for later in range(number + 1, stream.newest + 1):
                packet = stream.history.find(later, arrival.now)
                if packet is not None:
                    self._again.read(packet, len(packet), arrival.now, arrival.unix_now)
                    self._replay(started, later)
        return waiting

    def _replay(self, consumers: Iterable[Consumer], number: int) -> None:
        """Send consumers the packet in `_again`, which came before they could take it."""
        header = self._again.header
        for consumer in consumers:
            form = self._render_again(consumer)
            if form is None or not header.payload_length:
                consumer.skip(number, "not-to-be-rendered" if form is None else "padding-only")
            else:
                consumer.relay(form, number, header.timestamp, False)

    def _render_again(self, consumer: Consumer) -> PacketForm | None:
        """The packet in `_again` in the form of a consumer; None when it has none: the codec, or its length."""
        again = self._again
        if again.header.payload_type in self._described:
            again.describe()  # it could be read before it was kept
        group = self._groups[consumer.form_key]
        payload_type = self._payload_types[again.header.payload_type]
        if payload_type not in group.payload_types:
            return None
        return (
            group.form if group.form.render(again, payload_type, abs_send_time_from_seconds(again.unix_now)) else None
        )

    def _skip(self, stream: InboundStream, number: int, arrival: Arrival, payload_type: int) -> None:
        """Leave out a packet without payload; who was sent a later one already gets it, or its number stays a hole."""
        self._drop(stream, "padding-only")
        for group in self._groups.values():
            takers = (consumer for consumer in group.consumers if self.source_of(consumer) is stream)
            late = [consumer for consumer in takers if not consumer.skip(number, "padding-only")]
            if late:
                group.form.render(arrival, payload_type, abs_send_time_from_seconds(arrival.unix_now))
                for consumer in late:
                    consumer.relay(group.form, number, arrival.header.timestamp, False)

    def _begin_anew(self, stream: InboundStream) -> None:
        """The numbers of a stream have no relation to those before."""
        stream.relayed_restarts = stream.reception.restarts
        for consumer in self._takers(stream):
            consumer.begin_anew()

    # ---------------------------------------------------------------- packets asked for again

    def _origin_of(self, consumer: Consumer, output: int) -> tuple[InboundStream | None, int]:
        """The stream, and the extended number in it, of a packet that a consumer was sent as `output`."""
        return self.source_of(consumer), consumer.sent_as(output)

    def resend(self, consumer: Consumer, outputs: Iterable[int], now: float, unix_now: float) -> None:
        """Send a consumer again what it says it has not got: the 16-bit numbers as it knows them (RFC 4585 6.2.1)."""
        again = self._again
        for output in outputs:
            stream, number = self._origin_of(consumer, output)
            packet = None if stream is None or number < 0 else stream.history.find(number, now)
            if packet is None:
                consumer.may_not_resend(output, "nack-not-kept")
            elif consumer.may_resend(output, len(packet), now):
                again.read(packet, len(packet), now, unix_now)
                form = self._render_again(consumer)
                if form is not None:
                    consumer.resend(form, output, again.header.timestamp)
