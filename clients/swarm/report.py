"""What a swarm found between two readings, ready to be JSON."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from clients.media.sinks import PictureSink
from clients.swarm.health import HealthCounts
from clients.swarm.histogram import Spread
from clients.swarm.messages import ClientCounts, Measured
from clients.swarm.plan import Seat
from clients.swarm.totals import Flow, Joins, Received, Sent
from clients.swarm.verdict import CONDUCTOR, Limits, Verdict, WorkerHealth
from labsfu.wire.base import Wire

LATE = PictureSink.LATE_S
"""Seconds from capture to decode above which a frame is late."""


class Reading(msgspec.Struct):
    """All counts at one time.

    Attributes:
        at: monotonic seconds.
        pid: of the conductor; health: its readings.
        workers: what each worker has.
    """

    at: float
    pid: int
    health: HealthCounts
    workers: list[Measured]


class MediaReport(Wire):
    """One kind of media, of all clients or of one. Names after webrtc-stats where it has them.

    Attributes:
        streams: that came, of those who left too; streams_seen: of which a frame was complete.
        standing: that should flow, and had no complete frame in the last second.
        frames_expected: numbers from the first complete frame to the last one of each stream.
        frames_complete: of those, complete and decodable; frames_late: later than 400 ms after capture.
        freezes: gaps as webrtc-stats has them (synthetic) or of more than 200 ms (decoded); frozen_seconds: their sum.
        mixed: streams with frames of more than one sender; untrue: frames that should not have been decodable.
        packets_received: without duplicates of decoded media; packets_lost: that never came; loss: their share.
        retransmitted_packets: that came as RTX.
        bitrate: bit/s received, by all of the clients together, RTP whole.
        nacks: sent; plis: sent.
        latency: from capture to decode, seconds.
        streams_sent: layers counted each; frames_sent: of all layers; packets_sent: with RTX.
        bitrate_sent: bit/s, by all of the clients together.
    """

    streams: int
    streams_seen: int
    standing: int
    frames_expected: int
    frames_complete: int
    frames_late: int
    freezes: int
    frozen_seconds: float
    mixed: int
    untrue: int
    packets_received: int
    packets_lost: int
    loss: float
    retransmitted_packets: int
    bitrate: float
    nacks: int
    plis: int
    latency: Spread
    streams_sent: int
    frames_sent: int
    packets_sent: int
    bitrate_sent: float

    @classmethod
    def of(cls, received: Received, sent: Sent, seconds: float) -> MediaReport:
        """What sums over so many seconds come to."""
        expected = received.packets_received + received.packets_lost
        return cls(
            streams=received.streams,
            streams_seen=received.streams_seen,
            standing=received.standing,
            frames_expected=received.frames_expected,
            frames_complete=received.frames_complete,
            frames_late=received.latency.above(LATE),
            freezes=received.freezes,
            frozen_seconds=round(received.frozen_seconds, 4),
            mixed=received.mixed,
            untrue=received.untrue,
            packets_received=received.packets_received,
            packets_lost=received.packets_lost,
            loss=received.packets_lost / expected if expected else 0.0,
            retransmitted_packets=received.retransmitted_packets,
            bitrate=received.bytes_received * 8 / seconds if seconds else 0.0,
            nacks=received.nacks,
            plis=received.plis,
            latency=received.latency.spread(),
            streams_sent=sent.streams,
            frames_sent=sent.frames_sent,
            packets_sent=sent.packets_sent,
            bitrate_sent=sent.bytes_sent * 8 / seconds if seconds else 0.0,
        )


class JoinReport(Wire):
    """Who came and went.

    Attributes:
        asked: to join, the first time or again; joined: in the room with all that they send; left: in order.
        failed: not joined, or lost later.
        seconds: from the first byte to the server until all is being sent.
    """

    asked: int
    joined: int
    left: int
    failed: int
    seconds: Spread


class ClientReport(Wire):
    """One client, all its stays together.

    Attributes:
        number: counted from 0; name: its id; room: its room's.
        worker: whose it is.
        present: at the end; stays: how often it has come.
        audio: its sound; video: its pictures.
    """

    number: int
    name: str
    room: str
    worker: int
    present: bool
    stays: int
    audio: MediaReport
    video: MediaReport


class SwarmReport(Wire):
    """What a swarm found.

    Attributes:
        seconds: between the two readings.
        seed: of the run; synthetic: whether its media was made up.
        verdict: whether the rest may be believed.
        limits: that the verdict is by.
        people: present at the end.
        joins: who came and went.
        errors: of clients that failed, in their order.
        audio: of all; video: of all.
        workers: how the generator was, the conductor first.
        clients: each.
    """

    seconds: float
    seed: int
    synthetic: bool
    verdict: Verdict
    limits: Limits
    people: int
    joins: JoinReport
    errors: tuple[str, ...]
    audio: MediaReport
    video: MediaReport
    workers: tuple[WorkerHealth, ...]
    clients: tuple[ClientReport, ...]


def report(
    after: Reading,
    before: Reading,
    *,
    limits: Limits,
    seed: int,
    synthetic: bool,
    errors: Sequence[str],
) -> SwarmReport:
    """What lies between two readings."""
    seconds = after.at - before.at
    earlier = {measured.worker: measured for measured in before.workers}
    total, joins = Flow(), Joins()
    health = [
        WorkerHealth.of(CONDUCTOR, after.pid, after.health.minus(before.health), Sent(), seconds=seconds, sockets=0)
    ]
    reasons = [*health[0].excesses(limits, packets=0)]
    clients: list[ClientReport] = []
    for measured in after.workers:
        begin = earlier[measured.worker]
        flow = Flow()
        for mine, one in _flows(measured, begin):
            flow.add(one)
            clients.append(_client(mine, measured.worker, one, seconds))
        total.add(flow)
        joins.add(measured.joins.minus(begin.joins))
        slots = Sent().add(flow.audio_sent).add(flow.video_sent)
        health.append(
            WorkerHealth.of(
                measured.worker,
                measured.pid,
                measured.health.minus(begin.health),
                slots,
                seconds=measured.at - begin.at,
                sockets=measured.sockets,
            )
        )
        packets = flow.audio_received.packets_received + flow.video_received.packets_received
        reasons += health[-1].excesses(limits, packets=packets)
    return SwarmReport(
        seconds=round(seconds, 3),
        seed=seed,
        synthetic=synthetic,
        verdict=Verdict(reasons=tuple(reasons)),
        limits=limits,
        people=sum(client.present for client in clients),
        joins=JoinReport(
            asked=joins.asked, joined=joins.joined, left=joins.left, failed=joins.failed, seconds=joins.seconds.spread()
        ),
        errors=tuple(errors),
        audio=MediaReport.of(total.audio_received, total.audio_sent, seconds),
        video=MediaReport.of(total.video_received, total.video_sent, seconds),
        workers=tuple(health),
        clients=tuple(sorted(clients, key=lambda client: client.number)),
    )


def _flows(after: Measured, before: Measured) -> list[tuple[ClientCounts, Flow]]:
    earlier = {one.seat.number: one.flow for one in before.clients}
    return [(one, one.flow.minus(earlier.get(one.seat.number))) for one in after.clients]


def _client(counts: ClientCounts, worker: int, flow: Flow, seconds: float) -> ClientReport:
    seat: Seat = counts.seat
    return ClientReport(
        number=seat.number,
        name=seat.name,
        room=seat.room,
        worker=worker,
        present=counts.present,
        stays=counts.stays,
        audio=MediaReport.of(flow.audio_received, flow.audio_sent, seconds),
        video=MediaReport.of(flow.video_received, flow.video_sent, seconds),
    )
