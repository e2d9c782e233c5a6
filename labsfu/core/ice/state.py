"""The states of an ICE-lite agent, as a table (mediasoup's names; RFC 8445 6.1.3, RFC 7675 5.1 behind them)."""

from __future__ import annotations

from enum import Enum

from labsfu.wire.transport import IceState


class IceInput(Enum):
    """What can move the state."""

    CHECK = "a valid check"
    NOMINATION = "a valid check that nominates its path"
    PATHS_LOST = "consent expired, or the last path is gone"
    CLOSE = "we were asked to close"


TRANSITIONS: dict[tuple[IceState, IceInput], IceState] = {
    (IceState.NEW, IceInput.CHECK): IceState.CONNECTED,
    (IceState.NEW, IceInput.NOMINATION): IceState.COMPLETED,
    (IceState.CONNECTED, IceInput.CHECK): IceState.CONNECTED,
    (IceState.CONNECTED, IceInput.NOMINATION): IceState.COMPLETED,
    (IceState.CONNECTED, IceInput.PATHS_LOST): IceState.DISCONNECTED,
    (IceState.COMPLETED, IceInput.CHECK): IceState.COMPLETED,
    (IceState.COMPLETED, IceInput.NOMINATION): IceState.COMPLETED,
    (IceState.COMPLETED, IceInput.PATHS_LOST): IceState.DISCONNECTED,
    (IceState.DISCONNECTED, IceInput.CHECK): IceState.CONNECTED,
    (IceState.DISCONNECTED, IceInput.NOMINATION): IceState.COMPLETED,
    (IceState.NEW, IceInput.CLOSE): IceState.CLOSED,
    (IceState.CONNECTED, IceInput.CLOSE): IceState.CLOSED,
    (IceState.COMPLETED, IceInput.CLOSE): IceState.CLOSED,
    (IceState.DISCONNECTED, IceInput.CLOSE): IceState.CLOSED,
    (IceState.CLOSED, IceInput.CLOSE): IceState.CLOSED,
}
"""Every move there is; a pair that is not here cannot happen."""
