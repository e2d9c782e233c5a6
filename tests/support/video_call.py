"""One sender of synthetic video, the engine, and those who receive it, over networks that can be made rough."""

from __future__ import annotations

from clients.network import PERFECT, Conditions
from labsfu.wire.commands import Consumed
from labsfu.wire.ids import TransportId
from labsfu.wire.rtp import RtpCapabilities
from tests.support.consent import Consent
from tests.support.lab import Peer
from tests.support.media import consume, produce
from tests.support.nack_receiver import NackReceiver
from tests.support.rough_lab import RoughLab
from tests.support.synthetic_vp8 import StreamOptions
from tests.support.video import VideoSource

DELAY = Conditions(delay=0.02)
"""20 ms in each direction and nothing else."""


def without_rtx(capabilities: RtpCapabilities) -> RtpCapabilities:
    """Of a receiver that wants lost packets as they were (RFC 4585 without RFC 4588)."""
    media = tuple(codec for codec in capabilities.codecs if not codec.mime_type.endswith("/rtx"))
    return RtpCapabilities(codecs=media, header_extensions=capabilities.header_extensions)


class VideoCall:
    """Everybody is connected over a perfect network; nothing is sent before `source.start`."""

    def __init__(self, seed: int = 1, options: StreamOptions | None = None, receivers: int = 1) -> None:
        self.lab = RoughLab(seed)
        self.sender, self.upstream = self.lab.connected_peer()
        Consent(self.sender)
        self.source = VideoSource(self.sender, options)
        self.producer = produce(self.lab, self.upstream, self.source.options.parameters())
        self.receivers: list[NackReceiver] = []
        self.consumed: list[Consumed] = []
        for _ in range(receivers):
            self.join()

    def join(self, connection: tuple[Peer, TransportId] | None = None, *, rtx: bool = True) -> NackReceiver:
        """Somebody more who receives from now on."""
        peer, transport = connection or self.lab.connected_peer()
        Consent(peer)
        capabilities = self.lab.capabilities if rtx else without_rtx(self.lab.capabilities)
        consumed = consume(self.lab, transport, self.producer, capabilities=capabilities)
        receiver = NackReceiver(peer, consumed)
        self.consumed.append(consumed)
        self.receivers.append(receiver)
        return receiver

    def rough(self, up: Conditions, down: Conditions) -> None:
        """From now on the sender is reached over `up`, and the receivers over `down`, both ways."""
        self.lab.rough(self.sender, up, up)
        for receiver in self.receivers:
            self.lab.rough(receiver.peer, down, down)

    def run(self, seconds: float) -> None:
        """Let time pass."""
        self.lab.advance(seconds)

    def settle(self) -> None:
        """Nothing is lost any more; once all is repaired or given up, the sender stops."""
        for network in self.lab.networks.values():
            network.up.conditions = network.down.conditions = PERFECT
        self.run(1.5)
        self.source.stop()
        self.run(0.5)
