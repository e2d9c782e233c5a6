"""Numbers out of histories: what a thing does now, and how that went on in the last two minutes.

Rates are bit/s, times milliseconds, losses percent before any repair (of what should have come); None where nothing is
known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import TypeAlias, TypeVar

from labsfu.wire.base import ABSENT, Absent
from labsfu.wire.payloads import WorkerInfo
from labsfu.wire.stats import EncodingSample
from tui.model.state import State
from tui.model.things import Consumer, Producer, Transport, Worker

Number: TypeAlias = float | None
Series: TypeAlias = list[Number]

LOSS_WINDOW = 5
"""Samples between which the loss of a producer is counted: one alone has few packets of a quiet stream."""

T = TypeVar("T")


def each(history: Iterable[tuple[int, T]], value: Callable[[T], Number]) -> Series:
    """A value of each sample."""
    return [value(sample) for _, sample in history]


def last(series: Series) -> Number:
    """The newest value."""
    return series[-1] if series else None


# ------------------------------------------------------------------ workers


def cpu(worker: Worker) -> Series:
    """Percent of one core, between each two samples."""
    return _growth(worker, lambda info: info.cpu_seconds * 100)


def load(worker: Worker) -> Number:
    """Percent of one core now: as the samples say, before there are two of them as the worker says."""
    measured = last(cpu(worker))
    return worker.info.load * 100 if measured is None else measured


def packets_per_second(worker: Worker) -> Series:
    """RTP packets to consumers, as the worker says; of one that does not answer nothing is known."""
    return each(worker.history, lambda info: None if info.state == "silent" else info.forwarded_packets_per_second)


def bits_in(worker: Worker) -> Series:
    """Datagrams received."""
    return _growth(worker, lambda info: info.media.bytes_received * 8)


def bits_out(worker: Worker) -> Series:
    """Datagrams sent."""
    return _growth(worker, lambda info: info.media.bytes_sent * 8)


def _growth(worker: Worker, value: Callable[[WorkerInfo], float]) -> Series:
    """By how much a counter grows in a second; a worker that began anew counts from zero, one that is absent not."""
    grown: Series = []
    for (begin, earlier), (end, later) in pairwise(worker.history):
        more = value(later) - value(earlier)
        known = _counts_on(earlier, later) and end > begin and more >= 0
        grown.append(more * 1000 / (end - begin) if known else None)
    return grown


def _counts_on(earlier: WorkerInfo, later: WorkerInfo) -> bool:
    """Whether the counters of both are of one process, which told them."""
    return earlier.state == later.state == "running" and earlier.pid == later.pid


def together(series: Iterable[Series]) -> Series:
    """The sums of several, counted from their ends; what is not known of some is left out."""
    lines = [line for line in series if line]
    longest = max(map(len, lines), default=0)
    sums: Series = []
    for back in range(longest, 0, -1):
        known = [line[-back] for line in lines if len(line) >= back]
        numbers = [number for number in known if number is not None]
        sums.append(sum(numbers) if numbers else None)
    return sums


def drops(state: State) -> list[tuple[str, int, float]]:
    """Packets dropped by reason, the most first: reason, all since the server began, and a second now."""
    totals: dict[str, int] = {}
    now: dict[str, float] = {}
    for worker in state.workers.values():
        for drop in worker.info.media.drops:
            totals[drop.reason] = totals.get(drop.reason, 0) + drop.packets
        if len(worker.history) >= 2:
            (begin, earlier), (end, later) = worker.history[-2], worker.history[-1]
            if not _counts_on(earlier, later):
                continue
            before = {drop.reason: drop.packets for drop in earlier.media.drops}
            for drop in later.media.drops:
                more = drop.packets - before.get(drop.reason, 0)
                now[drop.reason] = now.get(drop.reason, 0.0) + max(0, more) * 1000 / max(1, end - begin)
    rows = [(reason, total, now.get(reason, 0.0)) for reason, total in totals.items()]
    return sorted(rows, key=lambda row: (-row[1], row[0]))


# ------------------------------------------------------------------ transports


def received_rate(transport: Transport) -> int:
    """Datagrams from the client, bit/s; 0 before the first sample."""
    return transport.history[-1][1].recv_bitrate if transport.history else 0


def sent_rate(transport: Transport) -> int:
    """Datagrams to the client, bit/s; 0 before the first sample."""
    return transport.history[-1][1].send_bitrate if transport.history else 0


# ------------------------------------------------------------------ producers


def sent_by(encodings: tuple[EncodingSample, ...]) -> Number:
    """Bit/s of all encodings."""
    return float(sum(encoding.bitrate for encoding in encodings)) if encodings else None


def producer_rate(producer: Producer) -> Number:
    """Bit/s now."""
    return sent_by(producer.history[-1][1]) if producer.history else None


def producer_loss(producer: Producer) -> Number:
    """Percent, over the last samples."""
    return _loss(producer, len(producer.history) - 1)


def producer_losses(producer: Producer) -> Series:
    """The same at each sample."""
    return [_loss(producer, index) for index in range(len(producer.history))]


def _loss(producer: Producer, index: int) -> Number:
    begin = max(0, index - LOSS_WINDOW)
    if index <= begin:
        return None
    before = {encoding.ssrc: encoding for encoding in producer.history[begin][1]}
    missed = came = 0
    for encoding in producer.history[index][1]:
        first = before.get(encoding.ssrc)
        if first is not None:
            repaired = encoding.packets_repaired - first.packets_repaired
            missed += encoding.packets_lost - first.packets_lost + repaired
            came += encoding.packet_count - first.packet_count - repaired
    expected = missed + came
    return 100 * max(0, missed) / expected if expected > 0 else None


def producer_jitter(encodings: tuple[EncodingSample, ...]) -> Number:
    """The worst of the encodings that flow."""
    return max((encoding.jitter for encoding in encodings if encoding.bitrate), default=None)


def producer_rtt(encodings: tuple[EncodingSample, ...]) -> Number:
    """Round trip to the sender."""
    return max((trip for trip in (known(encoding.round_trip_time) for encoding in encodings) if trip), default=None)


def producer_score(producer: Producer) -> int | None:
    """Of its best stream: that is what can be forwarded."""
    if producer.history and producer.history[-1][1]:
        return max(encoding.score for encoding in producer.history[-1][1])
    return max((score.score for score in producer.score), default=None)


# ------------------------------------------------------------------ consumers


def consumer_rate(consumer: Consumer) -> Number:
    """Bit/s now."""
    return float(consumer.history[-1][1].bitrate) if consumer.history else None


def consumer_loss(consumer: Consumer) -> Number:
    """Percent, as the receiver's last report says."""
    return consumer.history[-1][1].fraction_lost * 100 / 256 if consumer.history else None


def consumer_rtt(consumer: Consumer) -> Number:
    """Round trip to the receiver."""
    return known(consumer.history[-1][1].round_trip_time) if consumer.history else None


def consumer_score(consumer: Consumer) -> int | None:
    """How well it reaches its receiver."""
    if consumer.history:
        return consumer.history[-1][1].score
    return None if consumer.score is None else consumer.score.score


def known(value: float | Absent) -> Number:
    """None for what is absent."""
    return None if value is ABSENT else value
