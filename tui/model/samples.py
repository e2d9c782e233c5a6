"""Samples, taken into the histories of the things that they are of."""

from __future__ import annotations

from collections.abc import Sequence

from labsfu.wire.feed import Measurement
from labsfu.wire.payloads import WorkerInfo
from tui.model.state import State
from tui.model.things import Worker


def take(state: State, sample: Measurement) -> None:
    """A sample came; what it says of things that are not there (any more) is left."""
    at = sample.at
    _take_workers(state, at, sample.workers)
    for transport in sample.transports:
        carrier = state.transports.get(transport.transport_id)
        if carrier is not None:
            carrier.history.append((at, transport))
    for sent in sample.producers:
        producer = state.producers.get((sent.router_id, sent.producer_id))
        if producer is not None:
            producer.history.append((at, sent.encodings))
    for received in sample.consumers:
        consumer = state.consumers.get(received.consumer_id)
        if consumer is not None:
            consumer.history.append((at, received))
    state.now = max(state.now, at)
    state.version += 1


def _take_workers(state: State, at: int, workers: Sequence[WorkerInfo]) -> None:
    for info in workers:
        worker = state.workers.get(info.id)
        if worker is None:
            worker = state.workers[info.id] = Worker(info)
        worker.info = info
        worker.history.append((at, info))
    if workers:
        there = {info.id for info in workers}
        for id_ in [id_ for id_, worker in state.workers.items() if id_ not in there and worker.info.state != "dead"]:
            del state.workers[id_]  # one that died stays to be seen, until another one has its name
