"""What a router hears: when its observers are woken, and when they let it sleep."""

from __future__ import annotations

from labsfu.core.observers.hearing import Hearing, Voice
from labsfu.wire.events import ActiveSpeaker, AudioLevels
from labsfu.wire.ids import ParticipantId, ProducerId, RouterId

NOISE, SPEECH = 65, 25


class Ear:
    """One who is heard, on invented time; `scheduled` is when the router wanted to be called."""

    def __init__(self) -> None:
        self.now = 100.0
        self.told: list[AudioLevels | ActiveSpeaker] = []
        self.scheduled: list[float] = []
        self.hearing = Hearing(RouterId("r"), self.told.append, self.scheduled.append)
        self.voice: Voice = self.hearing.add(ProducerId("p"), ParticipantId("ann"))

    def listen(self, seconds: float, level: int) -> None:
        for _ in range(round(seconds / 0.02)):
            self.voice.hear(level, self.now)
            self.now += 0.02
            if any(at <= self.now for at in self.scheduled):
                self.scheduled[:] = [at for at in self.scheduled if at > self.now]
                self.hearing.tick(self.now)

    @property
    def spoke(self) -> bool:
        return any(isinstance(event, ActiveSpeaker) for event in self.told)


def test_noise_wakes_it_once_a_second_only() -> None:
    ear = Ear()
    ear.listen(0.5, NOISE)
    assert ear.scheduled == [101.0]
    ear.listen(3, NOISE)
    assert len(ear.told) == 3
    assert not ear.spoke


def test_speech_in_noise_is_noticed() -> None:
    ear = Ear()
    ear.listen(2.5, NOISE)
    ear.listen(1, SPEECH)
    assert ear.spoke


def test_noise_after_silence_is_told_again() -> None:
    ear = Ear()
    for _ in range(2):
        ear.listen(1.1, NOISE)
        ear.listen(3, 127)
    assert [event.silent for event in ear.told if isinstance(event, AudioLevels)] == [False, True, False, True]


def test_it_is_not_scheduled_for_every_packet() -> None:
    ear = Ear()
    ear.listen(0.18, SPEECH)
    assert len(ear.scheduled) == 2


def test_silence_after_noise_lets_it_sleep_until_somebody_speaks() -> None:
    ear = Ear()
    ear.listen(1.1, NOISE)
    ear.listen(5, 127)
    assert ear.scheduled == []
    ear.listen(1, SPEECH)
    assert ear.spoke
