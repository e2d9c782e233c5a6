"""Who is in the room, and what there is to say about it."""

from __future__ import annotations

from clients.output import news
from clients.participant import LabClient
from labsfu.wire.ids import ParticipantId


class People:
    """Remembers who was there when it looked last, and says on stderr what has changed."""

    def __init__(self) -> None:
        self._connected: dict[ParticipantId, bool] = {}
        self._names: dict[ParticipantId, str] = {}
        self._looked = False

    def name(self, participant_id: ParticipantId) -> str:
        """The display name of somebody who is, or was, there."""
        return self._names.get(participant_id, participant_id)

    def changed(self, client: LabClient) -> bool:
        """Whether somebody came or went."""
        return self._connected != _connected(client)

    def look(self, client: LabClient) -> None:
        """Say who came and went."""
        self._names.update((p.id, p.display_name or p.id) for p in client.participants.values())
        now = _connected(client)
        for id_, connected in now.items():
            before = self._connected.get(id_)
            if before is None and connected:
                news(f"{self.name(id_)} {'joined' if self._looked else 'is here'}")
            elif before is False and connected:
                news(f"{self.name(id_)} is back")
            elif before and not connected:
                news(f"{self.name(id_)} lost the connection")
        for id_, connected in self._connected.items():
            if id_ not in now and connected:
                news(f"{self.name(id_)} left")
        if not self._looked and not any(now.values()):
            news("nobody else is here yet")
        self._connected, self._looked = now, True


def _connected(client: LabClient) -> dict[ParticipantId, bool]:
    return {id_: participant.connected for id_, participant in client.participants.items()}
