"""What the transports of one engine share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from labsfu.core.drop_reports import DropReports
from labsfu.core.drops import Drops
from labsfu.core.dtls.certificate import DtlsCertificate
from labsfu.core.entropy import Entropy
from labsfu.core.outputs import Release, Transmit
from labsfu.core.srtp.buffer import SrtpBuffer
from labsfu.core.token_bucket import TokenBucket
from labsfu.wire.events import EngineEvent
from labsfu.wire.transport import IceCandidate


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the transports of one engine share; owned by the engine."""

    entropy: Entropy
    unix_offset: float
    certificate: DtlsCertificate
    transmit: Transmit
    release: Release
    emit: Callable[[EngineEvent], None]
    came_up: Callable[[float], None]
    drops: Drops
    drop_reports: DropReports
    refusals: TokenBucket
    outbox: SrtpBuffer
    candidates: tuple[IceCandidate, ...]
