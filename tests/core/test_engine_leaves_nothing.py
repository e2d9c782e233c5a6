"""After people have come and gone the engine is as it was: no table keeps anything."""

from __future__ import annotations

import gc
from collections import Counter

from labsfu.wire import commands
from tests.support.lab import Lab
from tests.support.media import (
    KEY_FRAME,
    audio_packet,
    audio_parameters,
    consume,
    produce,
    video_packet,
    video_parameters,
)


def sizes(lab: Lab) -> dict[str, int]:
    """How much is in every container that the engine, its tables and its router have."""
    engine = lab.engine
    tables, executor, router = engine._tables, engine._executor, engine._tables.routers[lab.router]
    found = {}
    for owner in (engine, tables, executor, router, tables.timers):
        slots = getattr(owner, "__slots__", ())
        names = slots or vars(owner)
        for name in names:
            value = getattr(owner, name)
            if isinstance(value, dict | list | set):
                found[f"{type(owner).__name__}.{name}"] = len(value)
    return found


def come_and_go(lab: Lab) -> None:
    """Two people join, send and receive, and leave."""
    ids = []
    for _ in range(2):
        sender, upstream = lab.connected_peer()
        receiver, downstream = lab.connected_peer()
        ids += [upstream, downstream]
        for parameters in (audio_parameters(), video_parameters()):
            consume(lab, downstream, produce(lab, upstream, parameters))
        sender.send_rtp(audio_packet(1))
        sender.send_rtp(video_packet(1, KEY_FRAME))
        lab.pump()
        assert len(receiver.rtp) == 2
    lab.advance(1.2)
    for id_ in ids:
        lab.do(commands.CloseTransport(router_id=lab.router, transport_id=id_), commands.Done)
    lab.peers.clear()
    lab.events.clear()
    lab.sent.clear()


def test_three_hundred_joins_and_leaves_leave_every_table_as_it_was() -> None:
    lab = Lab()
    before = sizes(lab)
    for _ in range(150):
        come_and_go(lab)
    lab.advance(60)
    after = sizes(lab)
    after.pop("Timers._heap"), before.pop("Timers._heap")  # emptied when time passes what is in it
    assert after == before
    assert lab.engine.deadline() is None
    assert lab.engine._tables.timers._heap == []


def test_no_object_of_the_engine_outlives_its_transport() -> None:
    lab = Lab()
    come_and_go(lab)
    lab.advance(60)

    def alive() -> Counter[str]:
        gc.collect()
        kinds = (type(o) for o in gc.get_objects())
        return Counter(kind.__name__ for kind in kinds if str(kind.__module__).startswith("labsfu.core"))

    before = alive()
    for _ in range(10):
        come_and_go(lab)
    lab.advance(60)
    assert alive() == before
