"""A producer with layers: several encodings of one source, temporal layers in them, or both (RFC 8853, RFC 7741)."""

from __future__ import annotations

from labsfu.core.forwarding.arrival import Arrival
from labsfu.core.forwarding.consumer import Consumer
from labsfu.core.forwarding.inbound import InboundStream
from labsfu.core.forwarding.layered_consumer import LayeredConsumer
from labsfu.core.forwarding.layers import NOTHING, Layers, LayerState, choose_layers, clamp_preferred
from labsfu.core.forwarding.pipe_consumer import PipeConsumer
from labsfu.core.forwarding.producer import Producer, ProducerTerms
from labsfu.core.rtp.values import abs_send_time_from_seconds
from labsfu.wire.base import ABSENT, Absent, JsonObject
from labsfu.wire.events import LayersReason
from labsfu.wire.rtp import ConsumerLayers, RtpParameters

DEAD_AFTER = 0.6
"""Seconds by which an encoding may lie behind the others of its source before it is taken to have stopped: with a round
trip to the sender for a key frame of another, less than a second without pictures. A source that is at rest stops them
all, which says nothing (mediasoup waits for 1.5 s of silence, 3.6)."""

STEADY, STEADY_GAP = 0.7, 0.3
"""Seconds for which one that had stopped must come again before it counts, never lying behind by more than the gap: so
that an encoding of a picture a second is left once, and not entered and left all the time."""

CHECK = 0.1
"""Seconds between two looks at which encodings are alive."""


class LayeredProducer(Producer):
    """Gives each consumer one of its streams, and goes over to another at a key frame of that; a pipe gets them all.

    Given: as `Producer`, how many temporal layers each encoding has.
    """

    __slots__ = ("_alive", "_check_at", "_stopped", "_temporal_layers")

    def __init__(
        self,
        terms: ProducerTerms,
        *,
        temporal_layers: int,
        paused: bool,
        app_data: JsonObject | Absent = ABSENT,
    ) -> None:
        super().__init__(terms, paused=paused, app_data=app_data)
        self._temporal_layers = temporal_layers
        vp8 = (codec for codec in terms.rtp_parameters.codecs if codec.mime_type.lower() == "video/vp8")
        self._described = frozenset(codec.payload_type for codec in vp8)
        self._alive: frozenset[int] = frozenset()
        self._stopped: dict[int, float | None] = {}
        """The encodings that had stopped, and since when each comes again."""
        self._check_at: float | None = None

    def change(self, parameters: RtpParameters) -> None:
        """Take parameters in which no more is changed than may be; encodings are on and off one by one."""
        super().change(parameters)
        self.active = any(encoding.active is not False for encoding in parameters.encodings)

    def allows(self, consumer: Consumer) -> bool:
        """As `Producer.allows`: into a pipe each encoding goes by itself."""
        if isinstance(consumer, PipeConsumer):
            return self.rtp_parameters.encodings[consumer.encoding].active is not False
        return self.active

    @property
    def highest(self) -> Layers:
        """The highest layers that there can be."""
        return Layers(len(self.terms.rtp_parameters.encodings) - 1, self._temporal_layers - 1)

    def wanted(self, layers: ConsumerLayers | Absent) -> Layers:
        """What a consumer prefers, cut to what there is; absent for the highest."""
        highest = self.highest
        if not isinstance(layers, ConsumerLayers):
            return highest
        temporal = layers.temporal_layer if isinstance(layers.temporal_layer, int) else None
        return clamp_preferred(layers.spatial_layer, temporal, highest.spatial + 1, highest.temporal + 1)

    # ---------------------------------------------------------------- which stream for whom

    def source_of(self, consumer: Consumer) -> InboundStream | None:
        """The stream that a consumer is sent; None before its first key frame."""
        if isinstance(consumer, LayeredConsumer):
            return consumer.stream
        return self._stream_of(consumer.encoding) if isinstance(consumer, PipeConsumer) else None

    def _stream_of(self, encoding: int) -> InboundStream | None:
        return next((stream for stream in self.streams.values() if stream.encoding == encoding), None)

    def score_of(self, stream: InboundStream) -> int:
        """How well a stream arrives, 0 (it stopped) to 10."""
        return stream.score.value if stream.encoding in self._alive else 0

    def watches(self, stream: InboundStream) -> bool:
        """Whether some consumer is being sent a stream, or is going over to it."""
        return any(
            stream in (consumer.stream, consumer.pending)
            if isinstance(consumer, LayeredConsumer)
            else self.source_of(consumer) is stream
            for consumer in self.consumers
            if consumer.active
        )

    def left_at(self, stream: InboundStream) -> int:
        """The last number of a stream that somebody was sent who went over to another; negative when nobody did."""
        return max((consumer.left_at(stream) for consumer in self._layered() if consumer.active), default=-1)

    def awaited(self) -> list[InboundStream]:
        """The streams of which somebody waits for a key frame."""
        waiting = [consumer for consumer in self.consumers if consumer.wants_key_frame]
        wanted = [
            consumer.pending or consumer.stream if isinstance(consumer, LayeredConsumer) else self.source_of(consumer)
            for consumer in waiting
        ]
        return list({stream.ssrc: stream for stream in wanted if stream is not None}.values())

    def shown_to(self, consumer: Consumer) -> list[InboundStream]:
        """What a consumer is sent, and what it goes over to: until then it looks at the one before."""
        source = self.source_of(consumer)
        pending = consumer.pending if isinstance(consumer, LayeredConsumer) else None
        return [stream for stream in (source, pending) if stream is not None]

    def _layered(self) -> list[LayeredConsumer]:
        return [consumer for consumer in self.consumers if isinstance(consumer, LayeredConsumer)]

    def add_stream(self, stream: InboundStream) -> None:
        """An encoding was heard for the first time, or has another SSRC now."""
        former = self._stream_of(stream.encoding)
        self.streams[stream.ssrc] = stream
        if former is not None:
            self.streams.pop(former.ssrc, None)
            for consumer in self._layered():
                consumer.replace(former, stream)
            for taker in self._takers(stream):
                if isinstance(taker, PipeConsumer):
                    taker.begin_anew()

    def add_consumer(self, consumer: Consumer) -> None:
        """Let a consumer have what comes from now on."""
        super().add_consumer(consumer)
        if isinstance(consumer, LayeredConsumer):
            self.retarget(consumer, "begun")

    def retarget(self, consumer: LayeredConsumer, reason: LayersReason) -> bool:
        """Choose layers for a consumer anew; True when a key frame must be asked for."""
        by_encoding = {stream.encoding: stream for stream in self.streams.values()}
        layers = choose_layers(consumer.preferred, self._available())
        return consumer.choose(layers, by_encoding.get(layers.spatial), reason)

    def retarget_all(self) -> bool:
        """Choose layers for everybody anew, as others are there; True when a key frame must be asked for."""
        asking = [consumer for consumer in self._layered() if self.retarget(consumer, "available")]
        for consumer in self._layered():
            self.consumer_stopped(consumer)
        return bool(asking)

    def _available(self) -> tuple[LayerState, ...]:
        encodings = self.rtp_parameters.encodings
        return tuple(
            LayerState(
                alive=index in self._alive,
                temporal_layers=self._temporal_layers,
                bitrate=0,
                active=encoding.active is not False,
            )
            for index, encoding in enumerate(encodings)
        )

    def tick(self, now: float) -> bool:
        """Look which encodings are alive; True when that makes somebody wait for a key frame."""
        if self._check_at is None or now < self._check_at:
            return False
        return self._look(now)

    def deadline(self) -> float | None:
        """When to look again which encodings are alive."""
        return self._check_at

    def _look(self, now: float) -> bool:
        newest = max((stream.last_arrival for stream in self.streams.values()), default=now)
        rested = self._check_at is None  # until now: what is not there yet may still be on its way
        alive = frozenset(
            stream.encoding
            for stream in self.streams.values()
            if self._comes(stream.encoding, 0.0 if rested else newest - stream.last_arrival, now)
        )
        alive = alive or frozenset(s.encoding for s in self.streams.values() if newest - s.last_arrival < DEAD_AFTER)
        at_rest = now - newest > DEAD_AFTER or len(self.rtp_parameters.encodings) == 1
        self._check_at = None if at_rest else now + (DEAD_AFTER if rested else CHECK)
        if alive == self._alive:
            return False
        self._alive = alive
        self.scored(now)
        return self.retarget_all()

    def _comes(self, encoding: int, behind: float, now: float) -> bool:
        """Whether an encoding that lies so many seconds behind the others counts as alive."""
        stopped = self._stopped
        if encoding not in stopped and behind < DEAD_AFTER:
            return True
        if encoding not in stopped or behind >= STEADY_GAP:
            stopped[encoding] = None
            return False
        since = stopped[encoding] = now if stopped[encoding] is None else stopped[encoding]
        if since is None or now - since < STEADY:
            return False
        del stopped[encoding]
        return True

    # ---------------------------------------------------------------- packets

    def _relay(self, stream: InboundStream, arrival: Arrival, payload_type: int, number: int, key_frame: bool) -> bool:
        waiting = wanted = taken = False
        late = number < stream.newest
        if self._check_at is None or stream.encoding not in self._alive:
            waiting = self._look(arrival.now)
        send_time = abs_send_time_from_seconds(arrival.unix_now) if self._timed else 0
        timestamp = arrival.header.timestamp
        for group in self._groups.values():
            form = group.form
            fits = payload_type in group.payload_types and form.render(arrival, payload_type, send_time)
            for consumer in group.consumers:
                if not consumer.active:
                    continue
                wanted = True
                if not isinstance(consumer, LayeredConsumer):
                    if self.source_of(consumer) is not stream:
                        continue
                    taken = True
                    if not fits:
                        consumer.skip(number, "not-to-be-rendered")
                    elif not consumer.relay(form, number, timestamp, key_frame):
                        waiting = waiting or consumer.wants_key_frame
                    continue
                if consumer.pending is stream and fits:
                    switches = key_frame and consumer.switch(number, timestamp, arrival.now, arrival.unix_now)
                    waiting = waiting or not switches
                taken = taken or consumer.stream is stream
                if late and fits and consumer.left_at(stream) >= number:
                    consumer.relay_late(stream, form, number, timestamp, arrival.now)
                    continue
                if consumer.stream is not stream or consumer.layers.spatial < 0:
                    continue
                if not fits:
                    consumer.skip(number, "not-to-be-rendered")
                elif not consumer.relay(form, number, timestamp, key_frame):
                    waiting = waiting or consumer.wants_key_frame
                if consumer.changed:
                    consumer.changed = False
                    self.tell_layers(consumer)
                    self.consumer_scored(consumer, arrival.now)
        if wanted and not taken:
            self._drop(stream, "layer-not-chosen")
        return waiting

    def _skip(self, stream: InboundStream, number: int, arrival: Arrival, payload_type: int) -> None:
        """As `Producer._skip`; its number may also be a hole in what was sent before a switch."""
        super()._skip(stream, number, arrival, payload_type)
        if number >= stream.newest:
            return
        for group in self._groups.values():
            group.form.render(arrival, payload_type, abs_send_time_from_seconds(arrival.unix_now))
            for consumer in group.consumers:
                if isinstance(consumer, LayeredConsumer) and consumer.active and consumer.left_at(stream) >= number:
                    consumer.relay_late(stream, group.form, number, arrival.header.timestamp, arrival.now)

    def _begin_anew(self, stream: InboundStream) -> None:
        """As `Producer._begin_anew`, also for those who were sent the stream before."""
        for consumer in self._layered():
            consumer.forget(stream)
        super()._begin_anew(stream)

    def _origin_of(self, consumer: Consumer, output: int) -> tuple[InboundStream | None, int]:
        """As `Producer._origin_of`; what was sent before a switch is of another stream."""
        stream, number = super()._origin_of(consumer, output)
        run = consumer.past_run(output) if number < 0 and isinstance(consumer, LayeredConsumer) else None
        return (stream, number) if run is None else (run.stream, run.number_of(output))

    # ---------------------------------------------------------------- what is told

    def consumer_stopped(self, consumer: Consumer) -> None:
        """Tell if it was sent layers and is no more; that it is sent some is told when they are."""
        if isinstance(consumer, LayeredConsumer) and (not consumer.active or consumer.layers == NOTHING):
            self.tell_layers(consumer)

    def link_lost(self, now: float) -> None:
        """Nothing is alive until it comes again."""
        self._alive = frozenset()
        self._stopped.clear()
        self._check_at = None
        self.scored(now)
        self.retarget_all()

    def tell_layers(self, consumer: LayeredConsumer) -> None:
        """Tell what a consumer is sent, if that is something else than it was."""
        reason = consumer.news()
        if reason is not None and self.watcher is not None:
            self.watcher.layers_changed(consumer, consumer.told, reason)
