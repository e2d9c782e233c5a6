"""scalabilityMode: how many layers one stream carries (W3C WebRTC-SVC 6)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from labsfu.wire.base import Absent

_MODE = re.compile(r"[LS]([1-9][0-9]?)T([1-9][0-9]?)(_KEY)?")


@dataclass(frozen=True, slots=True)
class ScalabilityMode:
    """Layers of one stream.

    Attributes:
        spatial_layers: 1 to 99.
        temporal_layers: 1 to 99.
        ksvc: upper spatial layers depend on lower ones at key frames only.
    """

    spatial_layers: int = 1
    temporal_layers: int = 1
    ksvc: bool = False

    @property
    def is_layered(self) -> bool:
        """Whether there is any layer to leave out."""
        return self.spatial_layers > 1 or self.temporal_layers > 1


def parse_scalability_mode(mode: str | Absent) -> ScalabilityMode:
    """Read e.g. `L3T2_KEY`; suffixes (`h`, `_SHIFT`) are ignored; what does not match is one layer."""
    found = _MODE.match(mode) if isinstance(mode, str) else None
    if found is None:
        return ScalabilityMode()
    return ScalabilityMode(spatial_layers=int(found[1]), temporal_layers=int(found[2]), ksvc=found[3] is not None)
