"""A state that stands still while the other goes on."""

from __future__ import annotations

from copy import copy
from typing import TypeVar

from tui.model.state import State
from tui.model.things import Consumer, Producer, Room, Transport, Worker

T = TypeVar("T", Transport, Producer, Consumer)


def frozen(state: State) -> State:
    """A copy that no later event or sample reaches; what is immutable is shared."""
    still = copy(state)
    still.workers = {id_: _worker(one) for id_, one in state.workers.items()}
    still.rooms = {id_: _room(one) for id_, one in state.rooms.items()}
    still.routers = dict(state.routers)
    still.transports = {id_: _logged(one) for id_, one in state.transports.items()}
    still.producers = {id_: _logged(one) for id_, one in state.producers.items()}
    still.consumers = {id_: _logged(one) for id_, one in state.consumers.items()}
    still.tail = state.tail.copy()
    return still


def _worker(of: Worker) -> Worker:
    made = copy(of)
    made.history = of.history.copy()
    return made


def _room(of: Room) -> Room:
    made = copy(of)
    made.people = {id_: copy(person) for id_, person in of.people.items()}
    return made


def _logged(of: T) -> T:
    made = copy(of)
    made.history, made.log = of.history.copy(), of.log.copy()
    return made
