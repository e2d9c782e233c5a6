"""A receiver of simulcast: asks for what is missing, but never for a key frame, which is the server's business."""

from __future__ import annotations

from labsfu.wire import commands
from tests.support.lab import Peer
from tests.support.nack_receiver import NackReceiver

TRIES = 60
"""Close to the server, it would give up else before what the sender's bad link lost is there."""


class LayerReceiver(NackReceiver):
    """Also knows when each number came first (`arrived`)."""

    def __init__(self, peer: Peer, consumed: commands.Consumed) -> None:
        super().__init__(peer, consumed)
        self.missing.tries = TRIES
        self.arrived: dict[int, float] = {}

    def receive_rtp(self, packet: bytes) -> None:
        """Take in an RTP packet."""
        known = len(self.outputs)
        super().receive_rtp(packet)
        if len(self.outputs) > known:
            self.arrived[next(reversed(self.outputs))] = self.peer.lab.now

    def _look_at_the_picture(self, now: float) -> None:
        self._ask_key_frame_at = None
