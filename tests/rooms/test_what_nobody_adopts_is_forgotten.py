"""What is remembered of streams that nobody has adopted."""

from __future__ import annotations

from labsfu.rooms.unadopted import Unadopted
from labsfu.wire.ids import ConsumerId
from labsfu.wire.socket import ConsumerLayersChanged


def test_what_nobody_adopts_is_forgotten_though_somebody_always_waits() -> None:
    """Flows that overlap, one after the other: the book is never empty-handed."""
    unadopted = Unadopted()
    before = unadopted.watch()
    before.__enter__()
    for number in range(1000):
        after = unadopted.watch()
        after.__enter__()
        unadopted.end(f"c{number}")  # a consumer that its participant closed
        unadopted.hear(f"c{number}", ConsumerLayersChanged(id=ConsumerId(f"c{number}"), reason="stopped"))
        before.__exit__(None, None, None)
        before = after
    assert len(unadopted._said) < 10
