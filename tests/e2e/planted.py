"""`labsfu` with a fault planted: python tests/e2e/planted.py FAULT ARGUMENTS. No fault code ships with the product."""

from __future__ import annotations

import sys
from collections.abc import Callable

from labsfu.cli import main

VICTIM = 2


def muted_microphone() -> None:
    """The second person's microphone is muted."""
    import scenarios.person as person  # noqa: PLC0415 - only in the process that has this fault

    class Muted(person.ToneTrack):
        def __init__(self, source: int) -> None:
            super().__init__(source, muted=source == VICTIM)

    person.ToneTrack = Muted  # type: ignore[misc]  # that is what planting means


def frozen_camera() -> None:
    """The second person's camera freezes after its tenth picture."""
    import scenarios.person as person  # noqa: PLC0415 - only in the process that has this fault

    class Freezing(person.PatternTrack):
        def __init__(self, source: int) -> None:
            super().__init__(source, on_frame=lambda sent: self.freeze() if sent.frame == 9 else None)
            self._victim = source == VICTIM

        def freeze(self) -> None:
            if self._victim:
                super().freeze()

    person.PatternTrack = Freezing  # type: ignore[misc]  # that is what planting means


def cut_forwarding() -> None:
    """The server forwards of the second video producer only its first thirty packets."""
    from labsfu.core.forwarding.producer import Producer  # noqa: PLC0415 - only in the process that has this fault
    from labsfu.wire.rtp import MediaKind  # noqa: PLC0415 - the same

    relay = Producer._relay
    producers: list[Producer] = []
    forwarded: dict[Producer, int] = {}

    def cut(self: Producer, *arguments: object) -> None:
        if self.terms.kind is MediaKind.VIDEO and self not in producers:
            producers.append(self)
        forwarded[self] = forwarded.get(self, 0) + 1
        if producers[1:2] == [self] and forwarded[self] > 30:
            return
        relay(self, *arguments)  # type: ignore[arg-type]  # handed through as they came

    Producer._relay = cut  # type: ignore[assignment,method-assign]  # that is what planting means


FAULTS: dict[str, Callable[[], None]] = {
    "muted-microphone": muted_microphone,
    "frozen-camera": frozen_camera,
    "cut-forwarding": cut_forwarding,
}

if __name__ == "__main__":
    FAULTS[sys.argv[1]]()
    main(sys.argv[2:], prog_name="labsfu")
