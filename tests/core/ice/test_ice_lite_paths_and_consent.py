"""Which address is selected, how long it stays, and what a restart changes."""

from __future__ import annotations

from itertools import product

import pytest

from labsfu.core.ice.lite import CONSENT_TIMEOUT, MAX_PATHS, IceCredentials, IceLiteAgent, IceReply
from labsfu.core.ice.state import TRANSITIONS, IceInput
from labsfu.core.outputs import Address
from labsfu.core.stun.encode import encode_request
from labsfu.core.stun.message import parse
from labsfu.wire.transport import IceState

OLD = IceCredentials("old", "old-password")
NEW = IceCredentials("new", "new-password")
A: Address = ("192.0.2.1", 1)
B: Address = ("192.0.2.2", 2)
C: Address = ("192.0.2.3", 3)


def send(
    agent: IceLiteAgent,
    source: Address,
    now: float = 0.0,
    *,
    credentials: IceCredentials = OLD,
    use_candidate: bool = False,
    nomination: int | None = None,
) -> IceReply:
    data = encode_request(
        bytes(12), f"{credentials.ufrag}:peer", credentials.password,
        priority=1, controlling=1, use_candidate=use_candidate, nomination=nomination,
    )  # fmt: skip
    return agent.receive(data, source, now)


def standing(agent: IceLiteAgent) -> tuple[Address | None, IceState]:
    return agent.selected, agent.state


@pytest.mark.rfc("RFC 8445 7.3.1.5", "RFC 8445 8.1.1")
def test_use_candidate_completes_and_always_moves_the_selected_path() -> None:
    agent = IceLiteAgent(OLD)
    send(agent, A)
    send(agent, B)
    assert standing(agent) == (A, IceState.CONNECTED)
    send(agent, B, use_candidate=True)
    assert standing(agent) == (B, IceState.COMPLETED)
    send(agent, A)
    assert standing(agent) == (B, IceState.COMPLETED)
    send(agent, A, use_candidate=True)
    assert agent.selected == A


def test_only_a_higher_nomination_moves_the_selected_path() -> None:
    agent = IceLiteAgent(OLD)
    send(agent, A, nomination=5)
    assert standing(agent) == (A, IceState.COMPLETED)
    send(agent, B, nomination=5)
    assert agent.selected == A
    send(agent, B, nomination=4, use_candidate=True)
    assert agent.selected == A
    send(agent, B, nomination=6)
    assert agent.selected == B
    send(agent, A, use_candidate=True)
    assert agent.selected == A


def test_a_nomination_of_zero_is_a_plain_check() -> None:
    agent = IceLiteAgent(OLD)
    send(agent, A, nomination=0)
    assert standing(agent) == (A, IceState.CONNECTED)


def test_the_ninth_path_evicts_the_one_checked_longest_ago_but_never_the_selected() -> None:
    agent = IceLiteAgent(OLD)
    sources: list[Address] = [("192.0.2.9", port) for port in range(MAX_PATHS + 1)]
    for source in sources[:-1]:
        send(agent, source)
    send(agent, sources[1])  # it is fresh again, so the third is the oldest that is not selected
    send(agent, sources[-1])
    assert agent.selected == sources[0]
    assert [source for source in sources if not agent.knows(source)] == [sources[2]]


def test_media_moves_the_selected_path_only_to_a_known_one() -> None:
    agent = IceLiteAgent(OLD)
    send(agent, A)
    send(agent, B)
    assert agent.select(B)
    assert not agent.select(B)
    assert not agent.select(C)
    assert agent.selected == B


def test_a_lost_selected_path_falls_back_to_the_newest_other_and_the_last_one_disconnects() -> None:
    agent = IceLiteAgent(OLD)
    for source in (A, B, C):
        send(agent, source)
    agent.remove(A)
    assert agent.selected == C
    agent.remove(B)
    assert agent.selected == C
    agent.remove(B)
    agent.remove(C)
    assert standing(agent) == (None, IceState.DISCONNECTED)
    assert agent.deadline() is None


@pytest.mark.rfc("RFC 7675 5.1")
def test_consent_expires_after_thirty_seconds_without_a_valid_check() -> None:
    agent = IceLiteAgent(OLD)
    assert agent.deadline() is None
    send(agent, A, now=100.0, nomination=9)
    send(agent, B, now=110.0)
    send(agent, A, now=125.0, credentials=IceCredentials("old", "forged"))
    assert agent.deadline() == 110.0 + CONSENT_TIMEOUT
    agent.tick(139.9)
    assert agent.state is IceState.COMPLETED
    agent.tick(140.0)
    assert (agent.state, agent.selected, agent.deadline()) == (IceState.DISCONNECTED, None, None)
    assert not agent.knows(A)
    send(agent, B, now=141.0, nomination=1)
    assert standing(agent) == (B, IceState.COMPLETED)


def test_a_consent_timeout_of_zero_never_expires() -> None:
    agent = IceLiteAgent(OLD, consent_timeout=0.0)
    send(agent, A)
    agent.tick(1e9)
    assert (agent.deadline(), agent.state) == (None, IceState.CONNECTED)


@pytest.mark.rfc("RFC 8445 9")
def test_a_restart_accepts_both_credentials_until_the_first_check_with_the_new() -> None:
    agent = IceLiteAgent(OLD)
    send(agent, A, nomination=7)
    agent.restart(NEW)
    assert agent.accepts("old")
    assert agent.accepts("new")
    assert (agent.state, agent.selected) == (IceState.COMPLETED, A)
    reply = send(agent, A, credentials=OLD)
    assert reply.response is not None
    assert parse(reply.response).integrity_holds("old-password")
    reply = send(agent, B, credentials=NEW, nomination=1)
    assert reply.response is not None
    assert parse(reply.response).integrity_holds("new-password")
    assert agent.selected == B
    assert not agent.accepts("old")
    assert send(agent, A, credentials=OLD).refused == "ice-unknown-username"


def test_a_forged_check_does_not_end_the_old_credentials() -> None:
    agent = IceLiteAgent(OLD)
    agent.restart(NEW)
    send(agent, A, credentials=IceCredentials("new", "forged"))
    assert agent.ufrags == ("new", "old")


def test_a_second_restart_keeps_the_credentials_in_use_and_forgets_those_never_used() -> None:
    agent = IceLiteAgent(OLD)
    agent.restart(NEW)
    agent.restart(IceCredentials("newest", "x"))
    assert agent.ufrags == ("newest", "old")


def test_the_table_lets_every_state_close_and_every_open_state_take_a_check() -> None:
    for state, input_ in product(IceState, (IceInput.CLOSE, IceInput.CHECK, IceInput.NOMINATION)):
        if state is IceState.CLOSED and input_ is not IceInput.CLOSE:
            assert (state, input_) not in TRANSITIONS
        else:
            assert (state, input_) in TRANSITIONS
