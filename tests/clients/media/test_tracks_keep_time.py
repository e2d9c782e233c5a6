"""Tracks: steady time stamps on an invented clock, numbering, freezing, muting, ending."""

import asyncio
from itertools import pairwise

import numpy as np
import pytest
from aiortc.mediastreams import MediaStreamError

from clients.media.pacing import Pacer
from clients.media.pattern import read
from clients.media.reports import SentFrame
from clients.media.sinks import luma_of, samples_of
from clients.media.tracks import PatternTrack, ToneTrack

pytestmark = pytest.mark.asyncio


class Clock:
    """Invented time, which sleeping moves, a little too far when told to."""

    def __init__(self, late: float = 0.0) -> None:
        self.now = 1000.0
        self.late = late

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds + self.late


def pictures(clock: Clock) -> PatternTrack:
    return PatternTrack(5, 15, (320, 180), clock=clock, sleep=clock.sleep)


async def test_pictures_keep_the_beat_without_drift_though_sleep_is_late() -> None:
    clock = Clock(late=0.004)
    track = pictures(clock)
    stamps = [(await track.recv()).pts for _ in range(150)]
    assert stamps == [n * 6000 for n in range(150)]
    assert clock.now == pytest.approx(1000 + 149 / 15 + 0.004)
    assert track.skipped == 0


async def test_pictures_carry_their_number_and_capture_time() -> None:
    clock = Clock()
    told: list[SentFrame] = []
    track = PatternTrack(5, 10, (320, 180), clock=clock, sleep=clock.sleep, on_frame=told.append, first_frame=7)
    for number in range(7, 12):
        frame = await track.recv()
        reading = read(luma_of(frame))
        assert reading is not None
        assert (reading.source, reading.frame, reading.captured_us) == (5, number, round(clock.now * 1e6))
        assert (frame.width, frame.height, str(frame.time_base)) == (320, 180, "1/90000")
    assert told == track.sent
    assert [sent.frame for sent in told] == [7, 8, 9, 10, 11]
    assert [sent.sent_at_s for sent in told] == pytest.approx([1000.0, 1000.1, 1000.2, 1000.3, 1000.4])


async def test_a_stall_skips_slots_and_no_number() -> None:
    clock = Clock()
    track = pictures(clock)
    await track.recv()
    clock.now += 1.0
    stamps = [(await track.recv()).pts for _ in range(3)]
    assert stamps == [15 * 6000, 16 * 6000, 17 * 6000]
    assert [sent.frame for sent in track.sent] == [0, 1, 2, 3]
    assert track.skipped == 14


async def test_a_frozen_track_repeats_its_picture_in_time() -> None:
    clock = Clock()
    track = pictures(clock)
    readings = []
    stamps = []
    for step in range(9):
        if step == 3:
            track.freeze()
            assert track.frozen
        if step == 6:
            track.thaw()
        frame = await track.recv()
        stamps.append(frame.pts)
        reading = read(luma_of(frame))
        assert reading is not None
        readings.append(reading)
    assert [reading.frame for reading in readings] == [0, 1, 2, 2, 2, 2, 3, 4, 5]
    assert len({reading.captured_us for reading in readings[2:6]}) == 1
    assert [sent.frame for sent in track.sent] == [0, 1, 2, 3, 4, 5]
    assert stamps == [n * 6000 for n in range(9)]


async def test_a_track_frozen_from_the_start_still_has_a_picture() -> None:
    track = pictures(Clock())
    track.freeze()
    frames = [read(luma_of(await track.recv())) for _ in range(2)]
    assert frames[0] == frames[1] is not None


async def test_stopped_tracks_end_even_while_waiting() -> None:
    clock = Clock()
    stopped = PatternTrack(1, clock=clock, sleep=clock.sleep)
    stopped.stop()
    with pytest.raises(MediaStreamError):
        await stopped.recv()

    gate = asyncio.Event()

    async def until_gate(_seconds: float) -> None:
        await gate.wait()

    for track in (PatternTrack(1, clock=clock, sleep=until_gate), ToneTrack(1, clock=clock, sleep=until_gate)):
        gate.clear()
        await track.recv()
        waiting = asyncio.ensure_future(track.recv())
        await asyncio.sleep(0)
        track.stop()
        gate.set()
        with pytest.raises(MediaStreamError):
            await waiting


async def test_a_tone_is_seamless_and_exactly_twenty_milliseconds_at_a_time() -> None:
    clock = Clock(late=0.003)
    track = ToneTrack(3, marked=False, clock=clock, sleep=clock.sleep)
    frames = [await track.recv() for _ in range(100)]
    assert [frame.pts for frame in frames] == [n * 960 for n in range(100)]
    assert {(frame.samples, frame.sample_rate, frame.layout.name) for frame in frames} == {(960, 48000, "mono")}
    sound = np.concatenate([samples_of(frame)[0] for frame in frames]).astype(np.float64)
    assert np.allclose(sound[2400:], sound[:-2400])
    assert clock.now == pytest.approx(1000 + 99 * 0.02 + 0.003)


async def test_sound_makes_up_for_a_short_stall_and_skips_a_long_one() -> None:
    clock = Clock()
    track = ToneTrack(3, clock=clock, sleep=clock.sleep)
    await track.recv()
    clock.now += 0.2
    assert [(await track.recv()).pts for _ in range(12)] == [n * 960 for n in range(1, 13)]
    assert track.skipped == 0
    clock.now += 5.01
    stamp = (await track.recv()).pts
    assert stamp is not None
    assert stamp > 12 * 960 + 4.9 * 48000
    assert track.skipped >= 245


async def test_muting_is_silence_with_the_same_time_stamps() -> None:
    clock = Clock()
    track = ToneTrack(3, clock=clock, sleep=clock.sleep)
    loud, stamps = [], []
    for mute in (False, True, True, False):
        (track.mute if mute else track.unmute)()
        assert track.muted is mute
        frame = await track.recv()
        loud.append(bool(np.abs(samples_of(frame)[0]).max()))
        stamps.append(frame.pts)
    assert loud == [True, False, False, True]
    assert stamps == [0, 960, 1920, 2880]


async def test_a_pacer_that_is_a_little_late_catches_up() -> None:
    clock = Clock()
    pacer = Pacer(0.1, 0.5, clock, clock.sleep)
    assert await pacer.slot() == 0
    clock.now += 0.45
    begun = clock.now
    assert [await pacer.slot() for _ in range(4)] == [1, 2, 3, 4]
    assert clock.now == begun
    assert await pacer.slot() == 5
    assert clock.now == pytest.approx(1000.5)


async def test_real_time_is_kept() -> None:
    """The defaults, for a tenth of a second: the loop's own clock and sleep."""
    track = ToneTrack(3)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    ends = []
    for _ in range(6):
        await track.recv()
        ends.append(loop.time() - begun)
    assert ends[-1] >= 0.099
    assert all(later >= earlier for earlier, later in pairwise(ends))
