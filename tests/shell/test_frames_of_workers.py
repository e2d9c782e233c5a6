"""What a server and its worker processes say to each other arrives as it was said, or is refused."""

from __future__ import annotations

from typing import get_args

import pytest

from labsfu import errors
from labsfu.errors import CommandError, InvalidValue, Malformed
from labsfu.shell import worker_messages as messages
from labsfu.shell.frames import FrameReader, frame, pack
from labsfu.wire import commands
from labsfu.wire.base import to_json
from labsfu.wire.commands import Command, Result
from labsfu.wire.events import EngineEvent
from labsfu.wire.ids import ParticipantId, ProducerId, RouterId, TransportId
from tests.support.wire_examples import example


def leaves(type_: type[Command]) -> list[type[Command]]:
    return [leaf for sub in type_.__subclasses__() for leaf in leaves(sub)] or [type_]


COMMANDS = leaves(Command)
REFUSALS = [class_ for class_ in vars(errors).values() if isinstance(class_, type) and issubclass(class_, CommandError)]


def carried(message: messages.FromWorker, chunk: int = 1 << 16) -> list[messages.FromWorker]:
    """A message through a stream that gives so many bytes at a time."""
    data = frame(message)
    reader = FrameReader(messages.from_worker)
    found = [one for at in range(0, len(data), chunk) for one in reader.feed(data[at : at + chunk])]
    assert not reader.torn
    return found


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("type_", COMMANDS)
def test_every_command_arrives(type_: type[Command], full: bool) -> None:
    command = example(type_, full=full)
    assert messages.command_unpacker.unpack(pack(command)) == command


def test_there_are_all_commands() -> None:
    assert len(COMMANDS) > 40
    assert commands.CreateRouter in COMMANDS
    assert commands.RouterCommand not in COMMANDS


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("type_", get_args(Result))
def test_every_result_arrives(type_: type, full: bool) -> None:
    result = example(type_, full=full)
    assert messages.result_unpacker.unpack(pack(result)) == result


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("type_", get_args(EngineEvent))
def test_every_event_arrives(type_: type, full: bool) -> None:
    happened = messages.Happened(events=(example(type_, full=full), example(type_, full=full)))
    assert carried(happened) == [happened]


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("type_", get_args(messages.FromWorker))
def test_every_message_of_a_worker_arrives(type_: type, full: bool) -> None:
    message = example(type_, full=full)
    assert carried(message, chunk=3) == [message]


@pytest.mark.parametrize("type_", get_args(messages.ToWorker))
def test_every_message_to_a_worker_arrives(type_: type) -> None:
    if type_ is not messages.Begin:
        message = example(type_, full=True)
        assert list(FrameReader(messages.to_worker).feed(frame(message))) == [message]


@pytest.mark.parametrize("class_", REFUSALS)
def test_every_refusal_arrives_with_its_class_slug_and_detail(class_: type[CommandError]) -> None:
    for refusal in (class_("what 'x' is"), class_("what 'y' is", slug="of-its-own")):
        (refused,) = carried(messages.refused_by(7, refusal))
        assert isinstance(refused, messages.Refused)
        found = messages.refusal_of(refused)
        assert (type(found), found.slug, found.detail) == (class_, refusal.slug, refusal.detail)
        assert refused.number == 7


def test_a_refusal_of_a_class_that_is_not_known_there_is_the_nearest_one() -> None:
    class Narrower(InvalidValue):
        slug = "narrow"

    found = messages.refusal_of(messages.refused_by(1, Narrower("x")))
    assert (type(found), found.slug) == (InvalidValue, "narrow")


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1, 10**300])
def test_numbers_that_only_json_has_arrive_too(number: int) -> None:
    command = commands.CreateProducer(
        router_id=RouterId("r"), participant_id=ParticipantId("p"), app_data={"n": [number, 1.5, "ü"]}
    )
    assert messages.command_unpacker.unpack(pack(command)) == command


def test_messages_in_a_row_come_one_by_one_however_they_are_cut() -> None:
    said = [messages.Pong(load=float(number)) for number in range(20)]
    data = b"".join(map(frame, said))
    for chunk in (1, 2, 7, 64, len(data)):
        reader = FrameReader(messages.from_worker)
        found = [one for at in range(0, len(data), chunk) for one in reader.feed(data[at : at + chunk])]
        assert found == said


def test_a_frame_that_is_torn_off_is_known() -> None:
    data = frame(messages.Pong(load=0.5))
    for cut in range(1, len(data)):
        reader = FrameReader(messages.from_worker)
        assert list(reader.feed(data[:cut])) == []
        assert reader.torn


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\xff\xff\xff\xff", "frame-too-long"),
        (b"\x04\x00\x00\x01", "frame-too-long"),
        (b"\x00\x00\x00\x00", "frame-undecodable"),
        (b"\x00\x00\x00\x01\xc0", "frame-undecodable"),
        (b"\x00\x00\x00\x01\xc1", "frame-undecodable"),
        (b"\x00\x00\x00\x03\xc1{}", "frame-undecodable"),
        (b"\x00\x00\x00\x02\xc1\xff", "frame-undecodable"),
        (b"\x00\x00\x00\x02\x81\xa4", "frame-undecodable"),
        (frame({"type": "pong", "load": "much"}), "frame-undecodable"),
        (frame({"type": "nothing-known"}), "frame-undecodable"),
        (frame(messages.Ping()), "frame-undecodable"),
    ],
)
def test_what_makes_no_sense_is_malformed(data: bytes, reason: str) -> None:
    with pytest.raises(Malformed) as malformed:
        list(FrameReader(messages.from_worker).feed(data))
    assert malformed.value.reason == reason


def test_what_came_before_nonsense_is_heard() -> None:
    pong = messages.Pong(load=0.5)
    heard = FrameReader(messages.from_worker).feed(frame(pong) + b"\xff\xff\xff\xff")
    assert next(heard) == pong
    with pytest.raises(Malformed):
        next(heard)


def test_a_command_is_no_message_and_a_result_is_no_command() -> None:
    ask = commands.GetProducer(router_id=RouterId("r"), producer_id=ProducerId("p"))
    with pytest.raises(Malformed):
        messages.result_unpacker.unpack(pack(ask))
    with pytest.raises(Malformed):
        messages.command_unpacker.unpack(pack(commands.Done()))
    with pytest.raises(Malformed):
        messages.command_unpacker.unpack(to_json(ask))
    close = commands.CloseTransport(router_id=RouterId("r"), transport_id=TransportId("t"))
    assert messages.command_unpacker.unpack(pack(close)) == close
