"""What is remembered of things that nobody has adopted yet, and for how long."""

from labsfu.rooms.unadopted import Unadopted
from labsfu.wire.ids import ConsumerId
from labsfu.wire.socket import ConsumerLayersChanged

NEWS = ConsumerLayersChanged(id=ConsumerId("c"), reason="stopped")


def test_it_is_remembered_while_anybody_waits_and_forgotten_with_the_last_one() -> None:
    unadopted = Unadopted()
    with unadopted.watch():
        with unadopted.watch():
            unadopted.end("t")
            unadopted.hear("c", NEWS)
        assert unadopted.has_ended("t")
        assert unadopted.heard("c") == {ConsumerLayersChanged: NEWS}
        unadopted.hear("c", NEWS)
    with unadopted.watch():
        assert not unadopted.has_ended("t")
        assert unadopted.heard("c") == {}


def test_nothing_is_remembered_while_nobody_waits() -> None:
    unadopted = Unadopted()
    unadopted.end("t")
    unadopted.hear("c", NEWS)
    with unadopted.watch():
        assert not unadopted.has_ended("t")
        assert unadopted.heard("c") == {}
