"""A page of the browser that is a participant, with typed words for what its `window.lab` does."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from playwright.async_api import ConsoleMessage, Page

PATIENCE = 20.0
"""Seconds that any single expectation may take."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a video element has played: seconds, its picture's size, and its counts of frames."""

    seconds: float
    size: tuple[int, int]
    frames: int


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

    async def join(self, socket: str) -> None:
        """Join a room by a participant socket (ws://...)."""
        joined = await self.ask("url => lab.join(url)", socket)
        self.id = joined["participantId"]

    async def publish(self) -> dict[str, str]:
        """Send camera and microphone; the producers' ids by kind."""
        return dict(await self.ask("() => lab.publish()"))

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
        said = await self.ask("who => lab.person(who).picture()", other)
        return np.frombuffer(base64.b64decode(said["luma"]), np.uint8).reshape(said["height"], said["width"])

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

    def _note(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(message.text)
