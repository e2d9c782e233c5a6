"""A page of the browser that is a participant, with typed words for what its `window.lab` does."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from playwright.async_api import ConsoleMessage, Page

from clients.media.pattern import PatternReading

PATIENCE = 20.0
"""Seconds that any single expectation may take."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a video element has played: seconds, its picture's size, and its counts of frames."""

    seconds: float
    size: tuple[int, int]
    frames: int


@dataclass(frozen=True, slots=True)
class Presented:
    """A picture that a video element presented.

    Attributes:
        at: when, in seconds of the epoch.
        timestamp: RTP timestamp, 32 bits.
        size: width and height.
        said: what its strip says, microseconds of the epoch; None where it cannot be read or was not looked at.
    """

    at: float
    timestamp: int
    size: tuple[int, int]
    said: PatternReading | None


class Tab:
    """One participant in a browser.

    Args:
        page: has loaded the test page.

    Attributes:
        id: its participant id, once joined.
        complaints: errors on the page that nobody caught, and those on its console.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.id = ""
        self.complaints: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._note)

    async def join(self, socket: str, *, reach_at: tuple[str, int] | None = None, without: Sequence[str] = ()) -> None:
        """Join a room.

        Args:
            socket: the participant socket (ws://...).
            reach_at: address and port of the server's media, in place of what its candidates say.
            without: URIs of header extensions that the page shall not know when it receives.
        """
        at = None if reach_at is None else {"address": reach_at[0], "port": reach_at[1]}
        options = {"reachAt": at, "without": list(without)}
        joined = await self.ask("([url, options]) => lab.join(url, options)", [socket, options])
        self.id = joined["participantId"]

    async def publish(self) -> dict[str, str]:
        """Send camera and microphone; the producers' ids by kind."""
        return dict(await self.ask("() => lab.publish()"))

    async def publish_noise(self, size: tuple[int, int], frame_rate: float, max_bitrate: int) -> str:
        """Send noise as video in one encoding of at most `max_bitrate` bit/s; the producer's id."""
        noise = {"width": size[0], "height": size[1], "frameRate": frame_rate, "maxBitrate": max_bitrate}
        return str(await self.ask("noise => lab.publishNoise(noise)", noise))

    async def publish_simulcast(
        self, size: tuple[int, int], frame_rate: float, max_bitrates: Sequence[int], source: int
    ) -> str:
        """Send pictures with a strip that names `source`, in encodings of at most so many bit/s; the producer's id.

        Each encoding is twice as wide and high as the one before; the last one is of `size`.
        """
        above = range(len(max_bitrates) - 1, -1, -1)
        encodings = [
            {"maxBitrate": most, "scaleResolutionDownBy": 2**n} for most, n in zip(max_bitrates, above, strict=True)
        ]
        pictures = {"width": size[0], "height": size[1], "frameRate": frame_rate, "source": source}
        return str(await self.ask("what => lab.publishSimulcast(what)", {**pictures, "encodings": encodings}))

    async def sent_layers(self) -> dict[str, dict[str, Any]]:
        """Our outbound-rtp stats of each encoding of our pictures, by rid."""
        return dict(await self.ask("() => lab.sentLayers()"))

    async def prefer(self, other: str, spatial: int, temporal: int | None = None) -> float:
        """Ask for layers of somebody's pictures, and wait for the answer; when it was asked, seconds of the epoch."""
        layers = {"spatialLayer": spatial} | ({} if temporal is None else {"temporalLayer": temporal})
        said = await self.ask("([who, layers]) => lab.setPreferredLayers(who, layers)", [other, layers])
        return float(said["at"]) / 1000

    async def ask(self, script: str, argument: object = None) -> Any:  # noqa: ANN401 - what JavaScript gives
        """Evaluate a function of `argument` on the page; a promise is awaited.

        Raises:
            playwright.async_api.Error: it threw, or the page is gone.
            TimeoutError: it took longer than PATIENCE.
        """
        async with asyncio.timeout(PATIENCE):
            return await self.page.evaluate(script, argument)

    async def until(self, condition: str, argument: object = None) -> None:
        """Wait until a condition holds: a function of `argument`, of a value or of a promise of one.

        Raises:
            AssertionError: not within PATIENCE.
        """
        try:
            await self.ask(f"argument => lab.until(() => ({condition})(argument))", argument)
        except TimeoutError:
            failures = await self.failures()
            raise AssertionError(f"not in {PATIENCE:g} s: {condition} of {argument}; page says {failures}") from None

    async def perceives(self, other: str, frames: int = 20) -> None:
        """Wait until more than so many pictures of somebody were decoded, some shown, and sound with energy heard."""
        await self.until("([who, n]) => lab.received(who, 'video').then(s => s?.framesDecoded > n)", [other, frames])
        await self.until("who => lab.person(who)?.shown().totalVideoFrames > 0", other)
        await self.until("who => lab.received(who, 'audio').then(s => s?.totalAudioEnergy > 0)", other)

    async def received(self, other: str, kind: str) -> dict[str, Any]:
        """The inbound-rtp stats of what somebody sends."""
        return dict(await self.ask("([who, kind]) => lab.received(who, kind)", [other, kind]))

    async def sent(self, kind: str) -> dict[str, Any]:
        """Our outbound-rtp stats."""
        return dict(await self.ask("kind => lab.sent(kind)", kind))

    async def shown(self, other: str) -> Shown:
        """What the video element of somebody has played."""
        said = await self.ask("who => lab.person(who).shown()", other)
        return Shown(said["currentTime"], (said["videoWidth"], said["videoHeight"]), said["totalVideoFrames"])

    async def picture(self, other: str) -> NDArray[np.uint8]:
        """The picture that somebody's video element shows now: its luma, (height, width)."""
        return _luma(await self.ask("who => lab.person(who).picture()", other))

    async def stamped_picture(self, other: str) -> tuple[NDArray[np.uint8], int]:
        """The next picture that is presented, as `picture` gives it, and its RTP timestamp."""
        said = await self.ask("who => lab.person(who).stamped()", other)
        return _luma(said), said["rtpTimestamp"]

    async def watch(self, other: str, *, reading: bool = False) -> None:
        """Note of each picture of somebody from now on when it is presented, and what it says if it is to be read."""
        await self.ask("([who, reading]) => lab.person(who).watch({ reading })", [other, reading])

    async def presented(self, other: str) -> list[Presented]:
        """What `watch` noted so far."""
        return [_presented(note) for note in await self.ask("who => lab.person(who).watched", other)]

    async def watched(self, other: str) -> dict[int, float]:
        """What `watch` noted so far: when a picture was first presented (monotonic seconds), by RTP timestamp."""
        offset = min([await self._clock_offset() for _ in range(5)])
        times: dict[int, float] = {}
        for picture in await self.presented(other):
            times.setdefault(picture.timestamp, picture.at + offset)
        return times

    async def hears_pitch(self, other: str, hz: float, within: float = 8.0) -> None:
        """Wait until the loudest frequency of what somebody sends is this one."""
        condition = """([who, hz, within]) => {
            const pitch = lab.person(who).pitch();
            return Math.abs(pitch.hz - hz) < within && pitch.db > -60;
        }"""
        await self.until(condition, [other, hz, within])

    async def failures(self) -> list[str]:
        """What went wrong on the page, of which nobody was told."""
        return [*self.complaints, *await self.ask("() => lab.failures")]

    async def _clock_offset(self) -> float:
        """Seconds from the page's epoch to our monotonic clock, and as much more as the answer took to get here."""
        said = await self.ask("() => performance.timeOrigin + performance.now()")
        return time.monotonic() - float(said) / 1000

    def _note(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(message.text)


def _presented(note: dict[str, Any]) -> Presented:
    said = note["said"]
    reading = None if said is None else PatternReading(said["source"], said["frame"], said["capturedUs"])
    return Presented(note["at"] / 1000, note["rtpTimestamp"], (note["width"], note["height"]), reading)


def _luma(said: dict[str, Any]) -> NDArray[np.uint8]:
    """What the page gives as a picture."""
    return np.frombuffer(base64.b64decode(said["luma"]), np.uint8).reshape(said["height"], said["width"])
