"""What one client sends, and what it makes of what it receives; the same sums of synthetic media and of encoded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from aiortc import MediaStreamTrack

from clients.participant import LabClient
from clients.subscriber import RemoteTrack
from clients.swarm.totals import Flow, Received
from clients.synthetic.source import SyntheticSource
from clients.tap import RtpTap
from labsfu.wire.ids import ProducerId
from labsfu.wire.rtp import MediaKind

STANDS_AFTER = 1.0
"""Seconds without a frame after which a stream counts as standing."""


class Equipment(Protocol):
    """Of one stay of one client."""

    tap: RtpTap | None

    def sources(self) -> Sequence[MediaStreamTrack | SyntheticSource]:
        """What is to be published."""

    def publishing(self, client: LabClient, producer_id: ProducerId) -> None:
        """One of the sources is being sent."""

    def watch(self, remote: RemoteTrack) -> None:
        """Somebody's stream comes."""

    def flow(self, *, present: bool) -> Flow:
        """All that was sent and received in this stay; `present`: it has not ended."""

    async def rest(self) -> None:
        """The stay is over."""


def received_of(flow: Flow, kind: MediaKind) -> Received:
    """The half of a flow that a kind belongs to."""
    return flow.audio_received if kind is MediaKind.AUDIO else flow.video_received
