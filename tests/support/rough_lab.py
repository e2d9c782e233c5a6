"""A lab whose peers are reached over bad networks, seeded: each through a path of its own in each direction."""

from __future__ import annotations

from dataclasses import dataclass

from clients.network import Conditions, Direction, Path
from labsfu.core.outputs import Address
from labsfu.errors import Malformed
from tests.support.lab import SERVER, Lab, Peer


@dataclass(slots=True)
class Network:
    """What lies between one peer and the engine."""

    up: Path
    down: Path


class RoughLab(Lab):
    """A lab with a network for each peer that was given one; the others, and all before, have a perfect one.

    Connect first, then make it `rough`: handshakes are judged elsewhere. `refused` counts what peers could not read
    (a duplicate is a replay to SRTP).
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.networks: dict[Address, Network] = {}
        self.refused: dict[str, int] = {}
        super().__init__()

    def rough(self, peer: Peer, up: Conditions, down: Conditions) -> Network:
        """Give a peer's network these conditions from now on."""
        network = self.networks.get(peer.address)
        if network is None:
            network = Network(
                Path(self.seed, peer.address[0], Direction.UP, up),
                Path(self.seed, peer.address[0], Direction.DOWN, down),
            )
            self.networks[peer.address] = network
        network.up.conditions, network.down.conditions = up, down
        return network

    def pump(self) -> None:
        while True:
            self._dispatch()
            for address, network in self.networks.items():
                for data in network.up.receive(self.now):
                    self.arrive(address, SERVER, data)
                for data in network.down.receive(self.now):
                    self.arrive(SERVER, address, data)
            if not self._flying:
                return

    def _dispatch(self) -> None:
        """Put what was sent on its path, or hand it over where there is none."""
        while self._flying:
            source, target, data = self._flying.popleft()
            network = self.networks.get(source if target == SERVER else target)
            if network is None:
                self.arrive(source, target, data)
            else:
                (network.up if target == SERVER else network.down).send(data, self.now)

    def arrive(self, source: Address, target: Address, data: bytes) -> None:
        try:
            super().arrive(source, target, data)
        except Malformed as malformed:
            self.refused[malformed.reason] = self.refused.get(malformed.reason, 0) + 1

    def deadlines(self) -> list[float | None]:
        paths = (path for network in self.networks.values() for path in (network.up, network.down))
        return [*super().deadlines(), *(path.deadline() for path in paths)]
