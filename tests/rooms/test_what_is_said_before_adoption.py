"""What is remembered of things that nobody has adopted yet, for how long, and whom it concerns."""

from labsfu.rooms.unadopted import Unadopted
from labsfu.wire.ids import ConsumerId
from labsfu.wire.socket import ConsumerLayersChanged

NEWS = ConsumerLayersChanged(id=ConsumerId("c"), reason="stopped")


def test_it_is_remembered_while_anybody_waits_and_forgotten_with_the_last_one() -> None:
    unadopted = Unadopted()
    with unadopted.watch() as said:
        with unadopted.watch():
            unadopted.end("t")
            unadopted.hear("c", NEWS)
            unadopted.set_paused("c", True)
        assert said.has_ended("t")
        assert said.heard("c") == {ConsumerLayersChanged: NEWS}
        assert said.is_paused("c", False)
    with unadopted.watch() as said:
        assert not said.has_ended("t")
        assert said.heard("c") == {}
        assert not said.is_paused("c", False)
    assert len(unadopted._said) == 0


def test_nothing_is_remembered_while_nobody_waits() -> None:
    unadopted = Unadopted()
    unadopted.end("t")
    unadopted.hear("c", NEWS)
    unadopted.set_paused("c", True)
    with unadopted.watch() as said:
        assert not said.has_ended("t")
        assert said.heard("c") == {}
        assert not said.is_paused("c", False)


def test_what_was_said_before_one_began_to_wait_is_not_said_of_what_it_makes() -> None:
    unadopted = Unadopted()
    with unadopted.watch() as early:
        unadopted.end("p")
        unadopted.set_paused("p", True)
        with unadopted.watch() as late:
            assert (late.has_ended("p"), late.is_paused("p", False)) == (False, False)
            assert (early.has_ended("p"), early.is_paused("p", False)) == (True, True)


def test_what_is_made_anew_under_a_name_has_none_of_what_was_said_of_the_one_before() -> None:
    unadopted = Unadopted()
    with unadopted.watch() as said:
        unadopted.set_paused("p", True)
        unadopted.end("p")
        unadopted.begin("p")
        assert (said.has_ended("p"), said.is_paused("p", False)) == (False, False)
        unadopted.set_paused("p", False)
        assert not said.is_paused("p", True)
