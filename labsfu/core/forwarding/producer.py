"""A producer: media from one peer, handed to every consumer of it."""

from __future__ import annotations

from dataclasses import dataclass

from labsfu.core.codecs.registry import is_key_frame_for
from labsfu.core.drops import Drops
from labsfu.core.forwarding.consumer import Consumer, FormKey
from labsfu.core.forwarding.form import PacketForm
from labsfu.core.forwarding.inbound import InboundStream
from labsfu.core.forwarding.reception import DISCARDED
from labsfu.core.rtp.extensions import find_extensions
from labsfu.core.rtp.packet import Buffer, RtpHeader
from labsfu.core.rtp.values import abs_send_time_from_seconds
from labsfu.core.uris import ABS_SEND_TIME
from labsfu.wire.base import ABSENT, Absent, JsonObject
from labsfu.wire.ids import ConsumerId, ParticipantId, ProducerId
from labsfu.wire.rtp import MediaKind, ProducerType, RtpCodecParameters, RtpParameters


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


class Producer:
    """Takes in packets of a peer's stream and gives them to its consumers.

    Given: what was negotiated. Owned: incoming streams, groups of consumers. `drops` counts packets by reason.
    `rtp_parameters` are those of the terms, with what was changed since (`encodings[].active`, `maxBitrate`).
    """

    __slots__ = (
        "_codecs",
        "_extension_ids",
        "_groups",
        "_key_frame_tests",
        "_payload_types",
        "_restarts",
        "_timed",
        "active",
        "app_data",
        "consumers",
        "drops",
        "feedback",
        "paused",
        "rtp_parameters",
        "streams",
        "terms",
    )

    def __init__(self, terms: ProducerTerms, *, paused: bool, app_data: JsonObject | Absent = ABSENT) -> None:
        parameters = terms.rtp_parameters
        self.terms = terms
        self.change(parameters)
        self.app_data = app_data
        self.paused = paused
        self.drops = Drops()
        self.streams: dict[int, InboundStream] = {}
        self.consumers: dict[ConsumerId, Consumer] = {}
        self.feedback = {(f.type, f.parameter) for codec in parameters.codecs for f in codec.rtcp_feedback}
        self._payload_types = terms.payload_types
        self._codecs = {codec.payload_type: codec for codec in parameters.codecs}
        self._key_frame_tests = {codec.payload_type: is_key_frame_for(codec.mime_type) for codec in parameters.codecs}
        self._extension_ids = {extension.uri: extension.id for extension in parameters.header_extensions}
        self._groups: dict[FormKey, _Group] = {}
        self._restarts = 0
        self._timed = False

    def codec(self, payload_type: int) -> RtpCodecParameters | None:
        """The codec that the peer sends as `payload_type`, if it said so."""
        return self._codecs.get(payload_type)

    def extension_id(self, uri: str) -> int | None:
        """The id under which the peer sends a header extension, if it does."""
        return self._extension_ids.get(uri)

    def change(self, parameters: RtpParameters) -> None:
        """Take parameters in which no more is changed than may be; `active` says whether the encoding is on."""
        self.rtp_parameters = parameters
        self.active = parameters.encodings[0].active is not False

    @property
    def watched(self) -> bool:
        """Whether some consumer is being sent to."""
        return any(consumer.active for consumer in self.consumers.values())

    @property
    def wants_key_frame(self) -> bool:
        """Whether some consumer can show nothing before the next key frame."""
        return any(consumer.wants_key_frame for consumer in self.consumers.values())

    def owns_ssrc(self, ssrc: int) -> bool:
        """Whether the peer announced this SSRC for the producer."""
        return any(encoding.ssrc == ssrc for encoding in self.terms.rtp_parameters.encodings)

    @property
    def announces_ssrcs(self) -> bool:
        """Whether the peer announced any SSRC: then it sends no other."""
        return any(encoding.ssrc is not ABSENT for encoding in self.terms.rtp_parameters.encodings)

    def add_stream(self, stream: InboundStream) -> None:
        """A stream of ours was heard for the first time: what consumers are sent begins anew with it."""
        self.streams[stream.ssrc] = stream
        self._restarts = 0
        for consumer in self.consumers.values():
            consumer.resync()

    def add_consumer(self, consumer: Consumer) -> None:
        """Let a consumer have what comes from now on."""
        self.consumers[consumer.names.id] = consumer
        key = consumer.form_key
        group = self._groups.get(key)
        if group is None:
            form = PacketForm(consumer.extensions, consumer.mid_length, self._extension_ids)
            group = self._groups[key] = _Group(consumer.payload_types, form, [])
        group.consumers.append(consumer)
        self._timed = self._timed or consumer.negotiated(ABS_SEND_TIME)

    def remove_consumer(self, consumer: Consumer) -> None:
        """Give a consumer nothing any more. Idempotent."""
        if self.consumers.pop(consumer.names.id, None) is None:
            return
        key = consumer.form_key
        group = self._groups[key]
        group.consumers.remove(consumer)
        if not group.consumers:
            del self._groups[key]

    def receive(self, stream: InboundStream, buffer: Buffer, header: RtpHeader, now: float, unix_now: float) -> bool:
        """Take in one decrypted packet of one of our streams.

        Returns:
            True when somebody is waiting for a key frame still: the sender should be asked for one.
        """
        number = stream.receive(header.sequence_number, header.timestamp, header.payload_length, now)
        if number == DISCARDED:
            self.drops.count("sequence-jump")
            return False
        if stream.reception.restarts != self._restarts:
            self._resync(stream)
        if not header.payload_length:
            self._skip(number)
            return False
        payload_type = self._payload_types.get(header.payload_type)
        if payload_type is None:
            self.drops.count("unknown-payload-type")
            return False
        test = self._key_frame_tests[header.payload_type]
        if self.paused or not self.active:
            self.drops.count("producer-paused" if self.paused else "encoding-inactive")
            return False
        key_frame = test is not None and test(buffer, header.payload_offset, header.payload_length)
        waiting = self._relay(buffer, header, payload_type, number, key_frame, unix_now) if self._groups else False
        if key_frame:
            stream.key_frames.received()
        return waiting

    def _relay(
        self,
        buffer: Buffer,
        header: RtpHeader,
        payload_type: int,
        number: int,
        key_frame: bool,
        unix_now: float,
    ) -> bool:
        elements = find_extensions(buffer, header) if header.extension_length else {}
        send_time = abs_send_time_from_seconds(unix_now) if self._timed else 0
        timestamp = header.timestamp
        waiting = False
        for group in self._groups.values():
            if payload_type not in group.payload_types:
                for consumer in group.consumers:
                    consumer.skip(number, "payload-type-not-negotiated")
                continue
            form = group.form
            form.render(buffer, header, elements, payload_type, send_time)
            for consumer in group.consumers:
                if consumer.active and not consumer.relay(form, number, timestamp, key_frame):
                    waiting = waiting or consumer.wants_key_frame
        return waiting

    def _skip(self, number: int) -> None:
        self.drops.count("padding-only")
        if not self.paused:
            for consumer in self.consumers.values():
                consumer.skip(number, "padding-only")

    def _resync(self, stream: InboundStream) -> None:
        self._restarts = stream.reception.restarts
        for consumer in self.consumers.values():
            consumer.resync()
