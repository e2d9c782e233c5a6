"""Invented speech: what the audio level extension says (RFC 6464) of people who talk, and what else there is to hear.

A sound is a list of levels in dBov, one for each 20 ms; the same seed gives the same again. Real speech is loud in its
vowels, some 15 dB below that in its consonants, nearly silent for the 40 to 80 ms in which a plosive builds up, and
rests between phrases: all of which a detector must bridge.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

FRAME = 0.02
ROOM_NOISE = -65.0

Sound: TypeAlias = list[float]
Heard: TypeAlias = tuple[float, str, int]
"""When a packet came, whose, and what it says: -dBov, 0 (the loudest) to 127."""


def frames(seconds: float) -> int:
    return round(seconds / FRAME)


def room_noise(rng: random.Random, seconds: float, dbov: float = ROOM_NOISE) -> Sound:
    """A fan, a street far away."""
    return [dbov + rng.uniform(-1.5, 1.5) for _ in range(frames(seconds))]


def phrase(rng: random.Random, seconds: float, dbov: float) -> Sound:
    """Syllables, four to six a second; `dbov` is the level of the vowels."""
    levels: Sound = []
    while len(levels) < frames(seconds):
        if rng.random() < 0.3:
            levels += [ROOM_NOISE] * rng.randint(2, 4)  # a plosive builds up
            levels.append(dbov - rng.uniform(5, 12))
        else:
            levels += [dbov - rng.uniform(10, 20) for _ in range(rng.randint(1, 3))]
        stress = rng.uniform(-4, 4)
        levels += [dbov + stress + rng.uniform(-3, 3) for _ in range(rng.randint(3, 9))]
        if rng.random() < 0.3:
            levels += [dbov - rng.uniform(10, 18) for _ in range(rng.randint(1, 2))]
    return levels[: frames(seconds)]


def speech(rng: random.Random, seconds: float, dbov: float = -24.0) -> Sound:
    """Phrases of 0.8 to 3 s, with breaks of 0.1 to 0.5 s between."""
    levels: Sound = []
    while len(levels) < frames(seconds):
        levels += phrase(rng, rng.uniform(0.8, 3.0), dbov)
        levels += [ROOM_NOISE] * frames(rng.uniform(0.1, 0.5))
    return levels[: frames(seconds)]


def mhm(rng: random.Random, dbov: float = -28.0) -> Sound:
    """A short sound of assent: 0.25 to 0.45 s without a gap."""
    return [dbov + rng.uniform(-2, 2) for _ in range(frames(rng.uniform(0.25, 0.45)))]


def door_slam(rng: random.Random) -> Sound:
    """As loud as can be, gone in a quarter of a second."""
    return [-10.0 - 3.0 * frame + rng.uniform(-1, 1) for frame in range(15)]


def keyboard(rng: random.Random, seconds: float = 1.5) -> Sound:
    """Eight strokes a second, 20 to 40 ms each."""
    levels: Sound = []
    while len(levels) < frames(seconds):
        levels += [rng.uniform(-44, -34) for _ in range(rng.randint(1, 2))]
        levels += [ROOM_NOISE] * rng.randint(4, 8)
    return levels[: frames(seconds)]


def breath(rng: random.Random) -> Sound:
    """Into the microphone, for 0.6 to 0.9 s."""
    return [rng.uniform(-56, -50) for _ in range(frames(rng.uniform(0.6, 0.9)))]


NOISES = (door_slam, keyboard, breath)
LISTENING = (mhm, mhm, *NOISES)


class Scene:
    """What the microphones of several people hear, from 0 s on."""

    def __init__(self, names: Sequence[str], seconds: float, seed: int, noise: float = ROOM_NOISE) -> None:
        self.rng = random.Random(seed)
        self.seconds = seconds
        self.levels = {name: room_noise(self.rng, seconds, noise) for name in names}
        self._offsets = {name: self.rng.uniform(0, FRAME) for name in names}

    def mix(self, name: str, at: float, sound: Sound) -> None:
        """Put a sound over what is there; the louder counts."""
        levels = self.levels[name]
        first = frames(at)
        for place, level in enumerate(sound[: len(levels) - first], first):
            levels[place] = max(levels[place], level)

    def say(self, name: str, at: float, until: float, dbov: float = -24.0) -> None:
        """Speech."""
        self.mix(name, at, speech(self.rng, until - at, dbov))

    def mute(self, name: str, at: float, until: float) -> None:
        """Digital silence."""
        first, last = frames(at), frames(until)
        self.levels[name][first:last] = [-127.0] * (last - first)

    def heard(self) -> Iterator[Heard]:
        """A packet of each every 20 ms, in the order of time."""
        for frame in range(frames(self.seconds)):
            for name, levels in self.levels.items():
                yield frame * FRAME + self._offsets[name], name, min(127, max(0, round(-levels[frame])))


@dataclass(frozen=True, slots=True)
class Turn:
    """Who has the floor, from when to when."""

    name: str
    begins: float
    ends: float


def conversation(names: Sequence[str], seconds: float, seed: int) -> tuple[Scene, list[Turn]]:
    """People who speak in turn, 2 to 8 s each, some before the other ends; the rest say mhm, and make noises."""
    scene = Scene(names, seconds, seed)
    rng = scene.rng
    voices = {name: rng.uniform(-30, -18) for name in names}
    turns: list[Turn] = []
    begins = 1.0
    while begins < seconds - 3:
        name = rng.choice([name for name in names if not turns or name != turns[-1].name])
        ends = min(begins + rng.uniform(2, 8), seconds)
        scene.say(name, begins, ends, voices[name])
        turns.append(Turn(name, begins, ends))
        at = begins + 1.0
        while at < ends - 1.0:
            listener = rng.choice([other for other in names if other != name])
            scene.mix(listener, at, rng.choice(LISTENING)(rng))
            at += rng.uniform(0.8, 3.0)
        begins = ends + rng.uniform(-0.3, 0.9)
    return scene, turns


# ---------------------------------------------------------------- what becomes of packets


def over_a_bad_network(heard: Iterable[Heard], rng: random.Random, *, loss: float, jitter: float = 0.0) -> list[Heard]:
    """Some are lost, all are late, by up to `jitter` seconds, none overtakes another of the same sender."""
    arrived: list[Heard] = []
    latest: dict[str, float] = {}
    for at, name, level in heard:
        if rng.random() >= loss:
            latest[name] = max(latest.get(name, 0.0), at + rng.uniform(0, jitter))
            arrived.append((latest[name], name, level))
    return sorted(arrived, key=lambda packet: packet[0])


def with_dtx(heard: Iterable[Heard], silent_from: int = 58) -> Iterator[Heard]:
    """Opus sends nothing after 0.2 s of silence but a packet of noise every 400 ms (RFC 6716 2.1.9)."""
    quiet: dict[str, int] = {}
    sent: dict[str, float] = {}
    for at, name, level in heard:
        quiet[name] = quiet.get(name, 0) + 1 if level >= silent_from else 0
        if quiet[name] <= 10 or at - sent[name] >= 0.4:
            sent[name] = at
            yield at, name, level


def in_longer_packets(heard: Iterable[Heard], frames: int) -> Iterator[Heard]:
    """One packet for so many frames of 20 ms; it says the level of the last one."""
    count: dict[str, int] = {}
    for at, name, level in heard:
        count[name] = count.get(name, 0) + 1
        if count[name] % frames == 0:
            yield at, name, level
