"""Who has the floor: Volfin and Cohen's algorithm, as Jitsi and mediasoup have it, but for what is said below.

There, a challenger takes the floor whose speech scores beat the speaker's over 20 ms (by C1 = 3), 100 ms (C2 = 2) and
a second (C3 = 0). With their constants the scores of 100 ms only ever tell "loud at all" from "not loud at all", and
those of a second say who was loud for longer; so that is what is asked here, in plain numbers. What is different:

* The 20 ms at which a tick happens to look are not asked for loudness: they fall into the gaps between a challenger's
  syllables as often as not, and the floor would go over a whole tick later. Ticks come every 0.2 s, there every 0.3.
* The last second is counted in intervals of 20 ms, three of which at least come together, not in those tenths of it
  that were loud throughout, of which speech has few and a hum has many; and there must be 0.48 s of them.
* Nobody has the floor before the first speech, and when there was none for ten seconds; there it is somebody's always.

Over invented conversations this is within a second of each turn and falls for no noise, where the original is late
for one turn in forty, and now and then gives the floor to who only said "mhm" (`tests/core/observers` measures both).
"""

from __future__ import annotations

from collections.abc import Mapping

from labsfu.core.observers.speech_activity import SpeechActivity
from labsfu.wire.ids import ProducerId

TICK = 0.2
"""Seconds between two looks."""

ENOUGH = 24
"""Loud intervals of the last second that make speech: more than a slammed door has, or an "mhm"."""

FORGET = 10.0
"""Seconds without anybody's speech after which nobody has the floor: longer than a speaker takes to think."""


class ActiveSpeakerObserver:
    """Tells who speaks, of those that it was told of. Owned: when to look next, None while nobody has to be looked at.

    Attributes:
        speaker: who has the floor; None: nobody.
        since: when that was found, monotonic seconds; None while nobody has it.
    """

    def __init__(self) -> None:
        self.speaker: ProducerId | None = None
        self.since: float | None = None
        self._activities: dict[ProducerId, SpeechActivity] = {}
        self._spoken_at = 0.0
        self._next: float | None = None

    def add(self, id_: ProducerId, activity: SpeechActivity) -> None:
        """Look at this one from now on."""
        self._activities[id_] = activity

    def remove(self, id_: ProducerId) -> bool:
        """Look at it no more; True if it had the floor, which nobody has then. Idempotent."""
        self._activities.pop(id_, None)
        if self.speaker != id_:
            return False
        self.speaker = self.since = None
        return True

    def wake(self, now: float) -> None:
        """Somebody is loud. No effect while it looks already."""
        if self._next is None:
            self._next = now + TICK

    @property
    def awake(self) -> bool:
        """Whether it looks by itself; if not, it wants to be told when somebody is loud."""
        return self._next is not None

    def deadline(self) -> float | None:
        """When to look next."""
        return self._next

    def tick(self, now: float) -> bool:
        """Look who speaks, if it is time; True if that is somebody else than before."""
        if self._next is None or now < self._next:
            return False
        before = self.speaker
        measured = {id_: activity.measure(now) for id_, activity in self._activities.items()}
        longest = max((long for _, long in measured.values()), default=0)
        if longest >= ENOUGH:
            self._spoken_at = now
        self._choose(measured, now)
        if self.speaker is not None and now - self._spoken_at >= FORGET:
            self.speaker = self.since = None
        self._next = None if self.speaker is None else now + TICK  # whoever is loud still wakes it again
        return self.speaker != before

    def _choose(self, measured: Mapping[ProducerId, tuple[int, int]], now: float) -> None:
        """Who speaks keeps the floor until 100 ms without a loud one."""
        medium, long = (0, 0) if self.speaker is None else measured[self.speaker]
        if medium:
            return
        challengers = {
            id_: theirs for id_, theirs in measured.items() if theirs[0] and theirs[1] >= ENOUGH and theirs[1] > long
        }
        if challengers:
            self.speaker = max(challengers, key=lambda id_: challengers[id_])
            self.since = now
