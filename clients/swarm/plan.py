"""Who is where, and what each of them sends: all that a worker must know."""

from __future__ import annotations

from labsfu.errors import InvalidValue
from labsfu.wire.base import Wire
from labsfu.wire.payloads import RoomType

LAYER_RIDS = ("r0", "r1", "r2")


class Media(Wire):
    """What everyone sends.

    Attributes:
        audio: sound; video: pictures.
        rids: simulcast layers of synthetic video, the lowest first; none: one layer. Real encoders send one.
        temporal_layers: 1, 2 or 3 in each of them; with more than 1 the server may leave frames out on purpose.
        fps: pictures a second; None: 30 of synthetic video, 15 of encoded.
        bitrates: bit/s of each layer at most; none: those of `clients.synthetic.layers`.
        size: of encoded pictures.
        audio_bitrate: bit/s of synthetic sound.
    """

    audio: bool = True
    video: bool = True
    rids: tuple[str, ...] = LAYER_RIDS
    temporal_layers: int = 1
    fps: float | None = None
    bitrates: tuple[int, ...] = ()
    size: tuple[int, int] = (320, 180)
    audio_bitrate: int = 32_000

    def __post_init__(self) -> None:
        if self.bitrates and len(self.bitrates) != max(1, len(self.rids)):
            raise InvalidValue(f"{len(self.bitrates)} bitrates for {len(self.rids)} rids", slug="invalid-media")


class Seat(Wire):
    """One person's place, kept while it is away.

    Attributes:
        number: counted from 0; told by its media as source number + 1.
        name: display name and id.
        room: id of its room.
    """

    number: int
    name: str
    room: str


class Layout(Wire):
    """Rooms of one size, filled one after the other.

    Attributes:
        tag: begins all names, so that two swarms do not meet.
        room_size: people in each.
        room_type: of each.
    """

    tag: str
    room_size: int
    room_type: RoomType = RoomType.CONFERENCE

    def __post_init__(self) -> None:
        if self.room_size < 1:
            raise InvalidValue(f"rooms of {self.room_size} people", slug="invalid-layout")

    def seat(self, number: int) -> Seat:
        """The place of person `number`, the same each time."""
        room = f"{self.tag}-room-{number // self.room_size}"
        return Seat(number=number, name=f"{self.tag}-{number}", room=room)


class Orders(Wire):
    """What every client of a worker is to do.

    Attributes:
        worker: number of the worker.
        url: base URL of the server.
        token: its bearer token.
        layout: of the rooms.
        media: what each sends.
        synthetic: made-up media, in place of encoders and decoders.
        network: name of everyone's network (`clients.network.NETWORKS`); None: as it is.
        seed: of networks, SSRCs and first numbers.
        timeout: seconds of each client for joining, for each request and each transport.
    """

    worker: int
    url: str
    token: str | None
    layout: Layout
    media: Media
    synthetic: bool
    network: str | None
    seed: int
    timeout: float
