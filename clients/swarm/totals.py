"""What was sent and received, as sums: of streams, clients, workers; one reading less an earlier one."""

from __future__ import annotations

from typing import ClassVar, TypeVar

import msgspec

from clients.swarm.histogram import Histogram

SumT = TypeVar("SumT", bound="Sums")


class Sums(msgspec.Struct):
    """Numbers and histograms that add up field by field.

    Attributes:
        GAUGES: fields that tell how things are and not what has been: an earlier reading is not taken away from them.
    """

    GAUGES: ClassVar[frozenset[str]] = frozenset()

    def add(self: SumT, other: SumT, sign: int = 1) -> SumT:
        """Add another, or (`sign` -1) take it away; gives itself."""
        for name in self.__struct_fields__:
            mine, theirs = getattr(self, name), getattr(other, name)
            if isinstance(mine, Histogram | Sums):
                mine.add(theirs, sign)
            elif sign > 0 or name not in self.GAUGES:
                setattr(self, name, mine + sign * theirs)
        return self

    def minus(self: SumT, other: SumT | None) -> SumT:
        """This less an earlier reading, as a new one."""
        fresh = type(self)().add(self)
        return fresh if other is None else fresh.add(other, -1)


class Received(Sums):
    """Streams of one kind that came. Names after webrtc-stats where it has them.

    Attributes:
        streams: how many there were, of those who left too.
        streams_seen: of which a frame was complete.
        standing: that should flow, and of which no frame was complete in the last second before the reading.
        frames_expected: numbers from the first to the last complete frame of each stream.
        frames_complete: of those, complete (and decodable) ones; of encoded sound: packets.
        freezes: gaps in video as the receivers count them; frozen_seconds: their sum.
        mixed: streams with frames of more than one sender.
        untrue: frames that should not have been decodable by what their sender says of them.
        packets_received: with RTX that filled a hole; packets_lost: that never came.
        retransmitted_packets: that came as RTX.
        bytes_received: RTP packets whole.
        nacks: sent; plis: sent.
        latency: from capture to decode, seconds.
    """

    GAUGES = frozenset({"streams", "streams_seen", "standing"})

    streams: int = 0
    streams_seen: int = 0
    standing: int = 0
    frames_expected: int = 0
    frames_complete: int = 0
    freezes: int = 0
    frozen_seconds: float = 0.0
    mixed: int = 0
    untrue: int = 0
    packets_received: int = 0
    packets_lost: int = 0
    retransmitted_packets: int = 0
    bytes_received: int = 0
    nacks: int = 0
    plis: int = 0
    latency: Histogram = msgspec.field(default_factory=Histogram)


class Sent(Sums):
    """Streams of one kind that left.

    Attributes:
        streams: layers of simulcast counted each.
        frames_sent: of all layers.
        packets_sent: with RTX; bytes_sent: RTP packets whole.
        slots: times at which a frame was due; slots_skipped: for which the generator was too late.
    """

    GAUGES = frozenset({"streams"})

    streams: int = 0
    frames_sent: int = 0
    packets_sent: int = 0
    bytes_sent: int = 0
    slots: int = 0
    slots_skipped: int = 0


class Flow(Sums):
    """Both directions of both kinds."""

    audio_received: Received = msgspec.field(default_factory=Received)
    video_received: Received = msgspec.field(default_factory=Received)
    audio_sent: Sent = msgspec.field(default_factory=Sent)
    video_sent: Sent = msgspec.field(default_factory=Sent)


class Joins(Sums):
    """Who came, and how long it took.

    Attributes:
        asked: to join, the first time or again.
        joined: in the room with all that it sends.
        left: in order; failed: not joined, or lost later.
        seconds: from the first byte to the server until all is being sent.
    """

    asked: int = 0
    joined: int = 0
    left: int = 0
    failed: int = 0
    seconds: Histogram = msgspec.field(default_factory=Histogram)
