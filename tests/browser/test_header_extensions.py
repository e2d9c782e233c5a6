"""Which header extensions reach Chromium: those that were negotiated with it, and never another.

SRTP leaves header extensions in the clear, so that a relay sees what the browser sees.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest

from clients.network import Direction
from clients.relay import Relay
from clients.server import ServerProcess
from tests.browser.chromium import FLAGS
from tests.browser.conftest import NewTab
from tests.browser.tab import Tab
from tests.e2e.tap import Tap, media_address
from tests.support.tools import lacking

pytestmark = [pytest.mark.asyncio, pytest.mark.e2e]

MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
ABS_SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
TRANSPORT_CC = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
AUDIO_LEVEL = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
DEPENDENCY_DESCRIPTOR = "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
TRIALS = "WebRTC-DependencyDescriptorAdvertised/Enabled/WebRTC-GenericCodecDependencyDescriptor/Enabled/"
"""With these Chromium offers the dependency descriptor for what it sends, and describes H264 by it."""
PACKETS = 60


class Ends:
    """A page behind a relay, and the packets that pass there."""

    def __init__(self, tab: Tab, up: Tap, down: Tap) -> None:
        self.tab = tab
        self.up = up
        self.down = down


@asynccontextmanager
async def joined(server: ServerProcess, socket: str, new_tab: NewTab, name: str, *without: str) -> AsyncIterator[Ends]:
    async with Relay(media_address(server), seed=1, name=name) as relay:
        up, down = Tap(), Tap()
        relay.set_faults(Direction.UP, up)
        relay.set_faults(Direction.DOWN, down)
        tab = await new_tab()
        await tab.join(socket, reach_at=relay.address, without=without)
        try:
            yield Ends(tab, up, down)
        finally:
            await tab.page.close()


class Stream:
    """A stream that a page receives, by what it was told of it, and its packets."""

    def __init__(self, parameters: dict[str, Any], taken: list[dict[str, Any]], tap: Tap) -> None:
        ssrc = parameters["encodings"][0]["ssrc"]
        self.mid: str = parameters["mid"]
        self.ids: dict[str, int] = {e["uri"]: e["id"] for e in parameters["headerExtensions"]}
        self.taken: dict[str, int] = {e["uri"]: e["id"] for e in taken}
        self.heads = [head for head in tap.heads if head.ssrc == ssrc]

    def values(self, uri: str) -> list[bytes]:
        """The elements of an extension, in the packets' order."""
        return [head.extensions[self.ids[uri]] for head in self.heads if self.ids[uri] in head.extensions]


async def stream(ends: Ends, other: str, kind: str) -> Stream:
    """What arrived of a stream, once it is some."""
    await ends.tab.until(
        "([who, kind, n]) => lab.received(who, kind).then(s => s?.packetsReceived > n)", [other, kind, PACKETS]
    )
    said = await ends.tab.ask("([who, kind]) => lab.receivedParameters(who, kind)", [other, kind])
    return Stream(said["told"], said["taken"], ends.down)


def consecutive(elements: list[bytes], bits: int, most: int) -> bool:
    """Whether big-endian numbers of so many bits follow one another with steps of at most `most`."""
    numbers = [int.from_bytes(element, "big") for element in elements]
    return all((second - first) % (1 << bits) <= most for first, second in pairwise(numbers))


def all_have(stream: Stream, uri: str) -> bool:
    return len(stream.values(uri)) == len(stream.heads) > PACKETS / 2


@pytest.mark.rfc("RFC 8285 5", "RFC 8843 9.2")
@pytest.mark.parametrize("without", [(), (ABS_SEND_TIME, AUDIO_LEVEL), (MID, TRANSPORT_CC, DEPENDENCY_DESCRIPTOR)])
async def test_what_arrives_has_the_negotiated_header_extensions_and_no_other(
    server: ServerProcess, socket: str, new_tab: NewTab, without: tuple[str, ...]
) -> None:
    async with (
        joined(server, socket, new_tab, "sender") as sender,
        joined(server, socket, new_tab, "receiver", *without) as receiver,
    ):
        await sender.tab.publish()
        expected = {"video": {MID, ABS_SEND_TIME, TRANSPORT_CC}, "audio": {MID, ABS_SEND_TIME, AUDIO_LEVEL}}
        for kind, uris in expected.items():
            arrived = await stream(receiver, sender.tab.id, kind)
            told = set(arrived.ids)
            assert uris - set(without) <= told
            assert not told & set(without)
            assert arrived.taken.items() <= arrived.ids.items(), "the browser takes what it was told, as it was told"
            assert {id_ for head in arrived.heads for id_ in head.extensions} <= set(arrived.ids.values())
            for uri in uris - set(without):
                assert all_have(arrived, uri), uri
            if MID not in without:
                assert set(arrived.values(MID)) == {arrived.mid.encode()}
            if ABS_SEND_TIME not in without:
                assert consecutive(arrived.values(ABS_SEND_TIME), 24, most=1 << 18), "within a second of one another"
            if kind == "video" and TRANSPORT_CC not in without:
                assert consecutive(arrived.values(TRANSPORT_CC), 16, most=1), "none was lost, none is skipped"


@pytest.mark.parametrize("browser_flags", [(*FLAGS, f"--force-fieldtrials={TRIALS}")], ids=["descriptor"])
@pytest.mark.parametrize("server_flags", [("--codecs", "H264,opus")], ids=["h264"])
async def test_the_dependency_descriptor_arrives_where_it_was_negotiated_as_it_was_sent(
    server: ServerProcess, socket: str, new_tab: NewTab
) -> None:
    async with (
        joined(server, socket, new_tab, "sender") as sender,
        joined(server, socket, new_tab, "knowing") as knowing,
        joined(server, socket, new_tab, "plain", DEPENDENCY_DESCRIPTOR) as plain,
    ):
        if not await sender.tab.ask("() => lab.encodes('video/H264')"):
            lacking("Chromium has no H264")
        await sender.tab.publish()
        arrived = await stream(knowing, sender.tab.id, "video")
        said = await sender.tab.ask("() => lab.sentParameters('video')")
        sent_id = next(e["id"] for e in said["headerExtensions"] if e["uri"] == DEPENDENCY_DESCRIPTOR)
        ssrc = said["encodings"][0]["ssrc"]
        sent = [
            head.extensions[sent_id] for head in sender.up.heads if head.ssrc == ssrc and sent_id in head.extensions
        ]
        descriptors = arrived.values(DEPENDENCY_DESCRIPTOR)
        assert all_have(arrived, DEPENDENCY_DESCRIPTOR)
        assert len(descriptors[0]) > 3, "it begins at a key frame, whose descriptor has the template structure"
        assert any(sent[at : at + len(descriptors)] == descriptors for at in range(len(sent))), "byte for byte"

        without = await stream(plain, sender.tab.id, "video")
        assert DEPENDENCY_DESCRIPTOR not in without.ids
        assert {id_ for head in without.heads for id_ in head.extensions} <= set(without.ids.values())
        shown = await plain.tab.received(sender.tab.id, "video")
        assert shown["framesDecoded"] > 0
