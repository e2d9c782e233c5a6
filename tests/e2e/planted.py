"""`labsfu` with a fault planted: python tests/e2e/planted.py FAULT ARGUMENTS. No fault code ships with the product."""

from __future__ import annotations

import sys
from collections.abc import Callable

from labsfu.cli import main

VICTIM, VICTIM_NAME = 2, "grace"


def muted_microphone() -> None:
    """The second person's microphone is muted."""
    from clients.media.tracks import ToneTrack  # noqa: PLC0415 - only in the process that has this fault
    from scenarios import person  # noqa: PLC0415 - the same

    class Muted(ToneTrack):
        def __init__(self, source: int) -> None:
            super().__init__(source, muted=source == VICTIM)

    vars(person)["ToneTrack"] = Muted


def frozen_camera() -> None:
    """The second person's camera freezes after its tenth picture."""
    from clients.media.tracks import PatternTrack  # noqa: PLC0415 - only in the process that has this fault
    from scenarios import person  # noqa: PLC0415 - the same

    class Freezing(PatternTrack):
        def __init__(self, source: int, size: tuple[int, int]) -> None:
            super().__init__(source, size=size, on_frame=lambda sent: self.freeze() if sent.frame == 9 else None)
            self._victim = source == VICTIM

        def freeze(self) -> None:
            if self._victim:
                super().freeze()

    vars(person)["PatternTrack"] = Freezing


def cut_forwarding() -> None:
    """The server forwards of the second person's pictures only the first thirty packets."""
    from labsfu.core.forwarding.producer import Producer  # noqa: PLC0415 - only in the process that has this fault
    from labsfu.wire.rtp import MediaKind  # noqa: PLC0415 - the same

    relay = Producer._relay
    forwarded: list[Producer] = []

    def cut(self: Producer, *arguments: object) -> None:
        if (self.terms.participant_id, self.terms.kind) == (VICTIM_NAME, MediaKind.VIDEO):
            forwarded.append(self)
            if len(forwarded) > 30:
                return
        relay(self, *arguments)  # type: ignore[arg-type]  # handed through as they came

    Producer._relay = cut  # type: ignore[assignment,method-assign]  # that is what planting means


def no_arrival_feedback() -> None:
    """The server offers transport-cc and never says when packets arrived."""
    from labsfu.core.forwarding.arrival_log import ArrivalLog  # noqa: PLC0415 - only in the process that has this fault

    ArrivalLog.receive = lambda *_: False  # type: ignore[method-assign]  # that is what planting means


FAULTS: dict[str, Callable[[], None]] = {
    "muted-microphone": muted_microphone,
    "frozen-camera": frozen_camera,
    "cut-forwarding": cut_forwarding,
    "no-arrival-feedback": no_arrival_feedback,
}

if __name__ == "__main__":
    FAULTS[sys.argv[1]]()
    main(sys.argv[2:], prog_name="labsfu")
