"""A page that sends three layers of its camera, and pages that are shown what they ask for."""

from __future__ import annotations

from tests.browser.conftest import NewTab
from tests.browser.tab import Presented, Tab

SOURCE = 9
"""Whose the camera's pictures say they are."""
SIZES = ((240, 135), (480, 270), (960, 540))
"""Of the layers; 960x540 is the smallest picture that Chromium sends in three."""
BITRATES = (200_000, 400_000, 800_000)
"""With less the encoder leaves out pictures after each key frame."""
FRAME_RATE = 20
CALM = 12
"""Pictures to see before the next layer is asked for: a request for a key frame that comes within 300 ms of another is
left unanswered by Chromium."""


async def sending(new_tab: NewTab, socket: str) -> Tab:
    """A page that sends three layers."""
    tab = await new_tab()
    await tab.join(socket)
    await tab.publish_simulcast(SIZES[-1], FRAME_RATE, BITRATES, SOURCE)
    await tab.until(
        "n => lab.sentLayers().then(layers => Object.values(layers).filter(s => s.framesSent > 5).length === n)",
        len(SIZES),
    )
    return tab


async def receiving(new_tab: NewTab, socket: str, sender: Tab) -> Tab:
    """A page that is shown what another one sends."""
    tab = await new_tab()
    await tab.join(socket)
    await watching(tab, sender)
    return tab


async def watching(tab: Tab, sender: Tab) -> None:
    """The page reads the pictures that it is shown; at first they are the largest."""
    await tab.until("who => lab.person(who)?.shown().totalVideoFrames > 0", sender.id)
    await tab.watch(sender.id, reading=True)
    await is_shown(tab, sender, SIZES[-1])


async def is_shown(tab: Tab, sender: Tab, size: tuple[int, int]) -> None:
    """Wait until the picture is of this size: so say the decoder, the element, and what was presented last."""
    condition = """async ([who, [width, height]]) => {
        const { frameWidth, frameHeight } = await lab.received(who, "video");
        const { videoWidth, videoHeight } = lab.person(who).shown();
        const last = lab.person(who).watched.at(-1);
        return [frameWidth, videoWidth, last?.width].every(w => w === width) &&
            [frameHeight, videoHeight, last?.height].every(h => h === height);
    }"""
    await tab.until(condition, [sender.id, size])


async def several_more(tab: Tab, sender: Tab, count: int) -> list[Presented]:
    """The next so many pictures that a page presents."""
    so_far = len(await tab.presented(sender.id))
    await tab.until("([who, n]) => lab.person(who).watched.length >= n", [sender.id, so_far + count])
    return (await tab.presented(sender.id))[so_far:]
