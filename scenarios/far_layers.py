"""Simulcast behind a pipe: whether all encodings get there, and the receiver there can switch."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from clients.participant import LabClient
from clients.subscriber import RemoteTrack
from clients.synthetic.reports import FrameReport
from labsfu.wire.rtp import MediaKind
from scenarios.lab import Lab

RIDS = ("r0", "r1", "r2")

SWITCH = 3.0
"""Seconds in which a layer that was asked for must come: a key frame has to be asked for across the pipe."""

BEGIN = 8.0
"""Seconds until the highest layer comes: senders begin with the lowest."""

FEW = 10
"""Frames of a layer that show that it flows."""


async def check_layers(lab: Lab, receiver: LabClient, sender: LabClient) -> None:
    """Receive the highest layer, then the lowest, then the highest again, whole each time."""
    pictures = track_of(receiver, sender, MediaKind.VIDEO)
    who = f"{receiver.name} behind the pipe"
    for spatial, seconds in ((2, BEGIN), (0, SWITCH), (2, SWITCH)):
        began = time.monotonic()
        await receiver.subscriber.set_preferred_layers(pictures.consumer_id, spatial)
        before = frames_of(pictures).stamped_layers.get(spatial, 0)
        came = await holds(
            lambda spatial=spatial, before=before: frames_of(pictures).stamped_layers.get(spatial, 0) > before + FEW,  # type: ignore[misc]  # mypy does not infer a lambda with defaults
            seconds,
        )
        lab.say(f"{receiver.name} asked for layer {spatial}: {time.monotonic() - began:.1f} s")
        lab.check(f"{who} gets layer {spatial} when it asks for it", came, f"not in {seconds:g} s")
    frames = frames_of(pictures)
    lab.check(f"{who} is sent nothing that cannot be decoded", frames.untrue == 0, f"{frames.untrue} frames")
    sound = track_of(receiver, sender, MediaKind.AUDIO)
    lab.check(f"{who} hears {sender.name}", frames_of(sound).frames_decoded > FEW, "no frames of sound")


def track_of(receiver: LabClient, sender: LabClient, kind: MediaKind) -> RemoteTrack:
    """What somebody receives of somebody."""
    return next(track for track in receiver.tracks.values() if track.participant_id == sender.id and track.kind is kind)


def frames_of(track: RemoteTrack) -> FrameReport:
    """The frames that a synthetic receiver got."""
    assert track.reception is not None, "received synthetically"
    return track.reception.report().frames


async def holds(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether something comes to hold in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        await asyncio.sleep(0.02)
    return True
