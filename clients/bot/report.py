"""What a bot says each second. In JSON the names are camelCase, after webrtc-stats where that has them.

Counters count from the beginning. Rates, levels and latencies are those of the last second.
"""

from __future__ import annotations

from clients.measure.stats import InboundRtp, OutboundRtp
from labsfu.wire.base import Wire
from labsfu.wire.ids import ConsumerId, ParticipantId, ProducerId, RoomId


class Other(Wire):
    """Another participant. One that is not connected was lost, and may come back."""

    id: ParticipantId
    display_name: str
    connected: bool


class ReceivedStream(InboundRtp, tag_field="type", tag="inbound-rtp"):
    """A stream of somebody else: all that the tap measures on its packets, and what came out of the decoder.

    The two packet timestamps are milliseconds since 1970 here, as in webrtc-stats.

    Attributes:
        participant_id: who sends it; display_name: the same person.
        producer_id: theirs; consumer_id: ours.
        frames_decoded: pictures decoded; with `--synthetic` those that could have been. None of sound.
        frame_width: of the last picture, pixels; frame_height: the same. None of sound, and before the first.
        audio_level: root mean square of the sound, 0..1 of full scale; None of pictures, and where nothing is decoded.
        latency: seconds from capture to decode, median: of pictures of other bots on this machine, and of made-up
            media (there since the beginning). None where it is not known; see `delay`, too.
    """

    participant_id: ParticipantId
    display_name: str
    producer_id: ProducerId
    consumer_id: ConsumerId
    frames_decoded: int | None
    frame_width: int | None
    frame_height: int | None
    audio_level: float | None
    latency: float | None


class SentStream(OutboundRtp, tag_field="type", tag="outbound-rtp"):
    """A stream of this bot: all that the tap measures on its packets, and what the server says about it in `remote`.

    Attributes:
        frame_width: pixels; frame_height: the same. None of sound and of made-up video.
        frames_skipped: that were not made because this machine was late (not in webrtc-stats).
    """

    frame_width: int | None
    frame_height: int | None
    frames_skipped: int


class WayReport(Wire):
    """What the `--network` did to packets of all kinds that went one way.

    Attributes:
        packets: that were sent.
        lost: by the network's draws.
        queue_dropped: for want of room in its queue.
        bytes: of the packets sent.
    """

    packets: int
    lost: int
    queue_dropped: int
    bytes: int


class NetworkReport(Wire):
    """What the `--network` did so far; both ways as the bot sees them."""

    name: str
    seed: int
    up: WayReport
    down: WayReport


class BotReport(Wire):
    """One second of a bot.

    Attributes:
        timestamp: milliseconds since 1970.
        seconds: since the bot began to send.
        room_id: where it is.
        participant_id: of the bot; display_name: the same.
        participants: the others.
        inbound: streams that it receives.
        outbound: streams that it sends; of simulcast each layer.
        network: what `--network` did; None without it.
    """

    timestamp: float
    seconds: float
    room_id: RoomId
    participant_id: ParticipantId
    display_name: str
    participants: tuple[Other, ...]
    inbound: tuple[ReceivedStream, ...]
    outbound: tuple[SentStream, ...]
    network: NetworkReport | None
