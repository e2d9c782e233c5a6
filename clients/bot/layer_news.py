"""Which layers come, and what there is to say about it."""

from __future__ import annotations

from typing import TypeAlias

from clients.bot.people import People
from clients.output import news
from clients.participant import LabClient
from labsfu.wire.base import ABSENT
from labsfu.wire.events import LayersReason
from labsfu.wire.ids import ConsumerId
from labsfu.wire.rtp import ConsumerLayers

_Told: TypeAlias = tuple[ConsumerLayers | None, LayersReason]


class LayerNews:
    """Remembers which layers came when it looked last, and says on stderr what has changed.

    Args:
        people: who knows the names.
    """

    def __init__(self, people: People) -> None:
        self._people = people
        self._told: dict[ConsumerId, _Told] = {}

    def changed(self, client: LabClient) -> bool:
        """Whether other layers come, of any stream."""
        return self._told != _told(client)

    def look(self, client: LabClient) -> None:
        """Say what comes of those streams of which something else did."""
        now = _told(client)
        for id_, told in now.items():
            if told != self._told.get(id_):
                remote, (layers, reason) = client.tracks[id_], told
                what = "nothing is sent" if layers is None else f"layer {shown(layers)} is sent"
                news(f"of the {remote.kind} of {self._people.name(remote.participant_id)} {what} ({reason})")
        self._told = now


def shown(layers: ConsumerLayers) -> str:
    """Layers as `--prefer` takes them: `1:2`, or `1`."""
    return str(layers.spatial_layer) + ("" if layers.temporal_layer is ABSENT else f":{layers.temporal_layer}")


def _told(client: LabClient) -> dict[ConsumerId, _Told]:
    return {
        id_: (remote.sent.layers, remote.sent.reason)
        for id_, remote in client.tracks.items()
        if remote.sent.reason is not None
    }
