"""What a router hears: its audio producers, the two observers of them, and what those tell."""

from __future__ import annotations

from collections.abc import Callable

from labsfu.core.observers.active_speaker import ActiveSpeakerObserver
from labsfu.core.observers.audio_level import THRESHOLD, AudioLevelObserver, LevelSum
from labsfu.core.observers.speech_activity import LOUD, SpeechActivity
from labsfu.wire.base import ABSENT
from labsfu.wire.events import ActiveSpeaker, AudioLevels
from labsfu.wire.ids import ParticipantId, ProducerId, RouterId
from labsfu.wire.observers import AudioLevel, RouterActiveSpeakerPayload, RouterAudioLevelPayload

SILENCE = 127
"""The level of digital silence in -dBov, the least that can be told (RFC 6464 3)."""

_NEVER = -1


class Voice:
    """A producer as it is heard. The level decides; the sender's own guess whether it is speech (V) is not asked."""

    __slots__ = ("_activity", "_hearing", "_sum")

    def __init__(self, hearing: Hearing, activity: SpeechActivity, sum_: LevelSum) -> None:
        self._hearing = hearing
        self._activity = activity
        self._sum = sum_

    def hear(self, level: int, now: float) -> None:
        """A packet came; `level` is what it says of itself in -dBov, 0 (the loudest) to 127 (silence)."""
        if level <= self._hearing.wakes_at:
            self._hearing.wake(level, now)
        self._sum.total += level
        self._sum.packets += 1
        self._activity.hear(SILENCE - level, now)


class Hearing:
    """The observers of a router. They want to be woken only from the time on at which somebody is heard.

    Given: the router's id, who is told, and who sees to it that `tick` is called at a time.

    Attributes:
        wakes_at: who is that loud (-dBov) must `wake`.
    """

    def __init__(
        self,
        router_id: RouterId,
        tell: Callable[[AudioLevels | ActiveSpeaker], None],
        schedule: Callable[[float], None],
    ) -> None:
        self._router_id = router_id
        self._tell = tell
        self._schedule = schedule
        self._levels = AudioLevelObserver()
        self._speakers = ActiveSpeakerObserver()
        self._owners: dict[ProducerId, ParticipantId] = {}
        self.wakes_at = -THRESHOLD

    def add(self, producer_id: ProducerId, participant_id: ParticipantId) -> Voice:
        """Listen to a producer."""
        activity, sum_ = SpeechActivity(), LevelSum()
        self._owners[producer_id] = participant_id
        self._levels.add(producer_id, sum_)
        self._speakers.add(producer_id, activity)
        return Voice(self, activity, sum_)

    def remove(self, producer_id: ProducerId) -> None:
        """Listen to it no more; if it spoke, nobody does. Idempotent."""
        self._owners.pop(producer_id, None)
        self._levels.remove(producer_id)
        if self._speakers.remove(producer_id):
            self._tell_speaker()

    # ---------------------------------------------------------------- time

    def wake(self, level: int, now: float) -> None:
        """Somebody is heard, this loud (-dBov): look at it before long."""
        self._levels.wake(now)
        if SILENCE - level >= LOUD:
            self._speakers.wake(now)
        self._follow()

    def tick(self, now: float) -> None:
        """Look, if it is time, and tell what changed."""
        if self._levels.tick(now):
            levels = self._shown_levels()
            self._tell(AudioLevels(router_id=self._router_id, levels=levels, silent=not levels))
        if self._speakers.tick(now):
            self._tell_speaker()
        self._follow()

    def _follow(self) -> None:
        if not self._levels.awake:
            self.wakes_at = -THRESHOLD
        else:
            self.wakes_at = _NEVER if self._speakers.awake else SILENCE - LOUD
        for deadline in (self._levels.deadline(), self._speakers.deadline()):
            if deadline is not None:
                self._schedule(deadline)

    # ---------------------------------------------------------------- what is told

    def show_levels(self, epoch_ms: Callable[[float], int], made_at: int) -> RouterAudioLevelPayload:
        """Who was loud in the last interval; before the first one it has been silent since `made_at` (epoch ms)."""
        at = made_at if self._levels.at is None else epoch_ms(self._levels.at)
        levels = self._shown_levels()
        return RouterAudioLevelPayload(router_id=self._router_id, levels=levels, silent=not levels, at=at)

    def show_speaker(self, epoch_ms: Callable[[float], int]) -> RouterActiveSpeakerPayload:
        """Who speaks."""
        speaker, since = self._speakers.speaker, self._speakers.since
        if speaker is None or since is None:
            return RouterActiveSpeakerPayload(router_id=self._router_id)
        return RouterActiveSpeakerPayload(
            router_id=self._router_id,
            producer_id=speaker,
            participant_id=self._owners[speaker],
            since=epoch_ms(since),
        )

    def _shown_levels(self) -> tuple[AudioLevel, ...]:
        return tuple(
            AudioLevel(producer_id=id_, participant_id=self._owners[id_], volume=volume)
            for id_, volume in self._levels.levels
        )

    def _tell_speaker(self) -> None:
        speaker = self._speakers.speaker
        self._tell(
            ActiveSpeaker(
                router_id=self._router_id,
                producer_id=ABSENT if speaker is None else speaker,
                participant_id=ABSENT if speaker is None else self._owners[speaker],
            )
        )
