"""How much of what an engine holds there may be."""

from __future__ import annotations

from itertools import count

import msgspec
import pytest

from labsfu.errors import Conflict, LabsfuError
from labsfu.shell.holdings import HoldingLimits, Holdings
from labsfu.wire import commands, events
from labsfu.wire.ids import ConsumerId, ParticipantId, ProducerId, RouterId, TransportId
from labsfu.wire.rtp import MediaKind, RtpCapabilities, RtpParameters

R, OTHER = RouterId("r"), RouterId("other")
ANN, BEN = ParticipantId("ann"), ParticipantId("ben")
_NUMBERS = count()


def consume(owner: ParticipantId = ANN, router: RouterId = R) -> commands.CreateConsumer:
    return commands.CreateConsumer(
        router_id=router, producer_id=ProducerId("p"), participant_id=owner, rtp_capabilities=RtpCapabilities()
    )


def transport_made(id_: str) -> events.TransportMade:
    return events.TransportMade(router_id=R, transport_id=TransportId(id_))


def consumer_made(id_: str, owner: ParticipantId = ANN, router: RouterId = R) -> events.ConsumerMade:
    return events.ConsumerMade(
        router_id=router,
        transport_id=TransportId(f"t{next(_NUMBERS)}"),
        consumer_id=ConsumerId(id_),
        producer_id=ProducerId("p"),
        participant_id=owner,
    )


def refusal(holdings: Holdings, command: commands.Command) -> str | None:
    try:
        with holdings.making(command):
            return None
    except Conflict as error:
        return error.slug


def test_what_is_there_counts_until_it_is_closed() -> None:
    holdings = Holdings(HoldingLimits(routers=1))
    assert refusal(holdings, commands.CreateRouter()) is None
    holdings.follow(events.RouterMade(router_id=R))
    assert refusal(holdings, commands.CreateRouter()) == "too-many-routers"
    holdings.follow(events.RouterClosed(router_id=R))
    assert refusal(holdings, commands.CreateRouter()) is None


def test_what_is_being_made_counts_and_what_failed_does_not() -> None:
    holdings = Holdings(HoldingLimits(routers=1))
    with holdings.making(commands.CreateRouter()):
        assert refusal(holdings, commands.CreateRouter()) == "too-many-routers"
    with pytest.raises(LabsfuError), holdings.making(commands.CreateRouter()):
        raise LabsfuError
    assert refusal(holdings, commands.CreateRouter()) is None


def test_consumers_are_counted_by_participant_and_router() -> None:
    holdings = Holdings(HoldingLimits(consumers=1))
    holdings.follow(consumer_made("c1"))
    assert refusal(holdings, consume()) == "too-many-consumers"
    assert refusal(holdings, consume(owner=BEN)) is None
    assert refusal(holdings, consume(router=OTHER)) is None
    holdings.follow(events.ConsumerClosed(router_id=R, consumer_id=ConsumerId("c1"), reason="asked"))
    assert refusal(holdings, consume()) is None


def test_a_consumer_over_http_takes_a_transport_and_one_in_a_room_does_not() -> None:
    holdings = Holdings(HoldingLimits(transports=1))
    holdings.follow(transport_made("t"))
    in_a_room = commands.Consume(
        router_id=R,
        transport_id=TransportId("t"),
        producer_id=ProducerId("p"),
        participant_id=ANN,
        rtp_capabilities=RtpCapabilities(),
    )
    assert refusal(holdings, consume()) == "too-many-transports"
    assert refusal(holdings, in_a_room) is None
    for command in (
        commands.CreateWebRtcTransport(router_id=R),
        commands.CreateProducer(router_id=R, participant_id=ANN),
    ):
        assert refusal(holdings, command) == "too-many-transports"
    holdings.follow(events.TransportClosed(router_id=R, transport_id=TransportId("t"), reason="asked"))
    assert refusal(holdings, consume()) is None


def test_what_is_not_limited_is_never_refused() -> None:
    holdings = Holdings(HoldingLimits(routers=0, transports=0, consumers=0))
    for command in (commands.ListRouters(), commands.GetCounts(), commands.CloseRouter(router_id=R)):
        assert refusal(holdings, command) is None


def test_nothing_is_left_of_what_is_closed() -> None:
    holdings = Holdings(HoldingLimits())
    holdings.follow(events.RouterMade(router_id=R))
    holdings.follow(transport_made("t"))
    holdings.follow(consumer_made("c"))
    with holdings.making(consume()):
        pass
    for event in (
        events.ConsumerClosed(router_id=R, consumer_id=ConsumerId("c"), reason="router-closed"),
        events.TransportClosed(router_id=R, transport_id=TransportId("t"), reason="router-closed"),
        events.RouterClosed(router_id=R),
    ):
        holdings.follow(event)
    kept = (holdings._routers, holdings._transports, holdings._owners, holdings._streams, holdings._in_making)
    assert [len(each) for each in kept] == [0] * 5


def test_an_end_of_a_pipe_is_a_transport() -> None:
    holdings = Holdings(HoldingLimits(transports=1))
    end = commands.CreatePipeTransport(router_id=R)
    with holdings.making(end):
        assert refusal(holdings, end) == "too-many-transports"
    holdings.follow(events.TransportMade(router_id=R, transport_id=TransportId("t"), pipe=True))
    assert refusal(holdings, end) == refusal(holdings, consume()) == "too-many-transports"
    holdings.follow(events.TransportClosed(router_id=R, transport_id=TransportId("t"), reason="asked"))
    assert refusal(holdings, end) is None


def test_what_goes_into_a_pipe_is_nobodys_consumer() -> None:
    holdings = Holdings(HoldingLimits(consumers=1))
    holdings.follow(msgspec.structs.replace(consumer_made("piped"), piped=True))
    assert refusal(holdings, consume()) is None
    holdings.follow(events.ConsumerClosed(router_id=R, consumer_id=ConsumerId("piped"), reason="asked"))
    holdings.follow(consumer_made("own"))
    assert refusal(holdings, consume()) == "too-many-consumers"


def test_a_pipe_has_a_limit_of_its_own_for_what_goes_and_comes_over_it() -> None:
    holdings = Holdings(HoldingLimits(streams=2))
    pipe = TransportId("pipe")
    goes = commands.ConsumeForPipe(
        router_id=R, transport_id=pipe, producer_id=ProducerId("p"), rtp_capabilities=RtpCapabilities()
    )
    comes = commands.ProduceFromPipe(
        router_id=R,
        transport_id=pipe,
        producer_id=ProducerId("q"),
        participant_id=ANN,
        kind=MediaKind.AUDIO,
        rtp_parameters=RtpParameters(codecs=()),
    )
    holdings.follow(msgspec.structs.replace(consumer_made("c"), transport_id=pipe, piped=True))
    with holdings.making(comes):
        assert refusal(holdings, goes) == "too-many-streams"
    made = events.ProducerMade(
        router_id=R,
        transport_id=pipe,
        producer_id=ProducerId("q"),
        participant_id=ANN,
        media=MediaKind.AUDIO,
        piped=True,
    )
    holdings.follow(made)
    assert refusal(holdings, goes) == refusal(holdings, comes) == "too-many-streams"
    elsewhere = msgspec.structs.replace(goes, transport_id=TransportId("other"))
    assert refusal(holdings, elsewhere) is None
    holdings.follow(events.ProducerClosed(router_id=RouterId("origin"), producer_id=ProducerId("q"), reason="asked"))
    assert refusal(holdings, goes) == "too-many-streams", "the origin's closing is not the copy's"
    holdings.follow(events.ProducerClosed(router_id=R, producer_id=ProducerId("q"), reason="asked"))
    holdings.follow(events.ConsumerClosed(router_id=R, consumer_id=ConsumerId("c"), reason="asked"))
    assert refusal(holdings, goes) is None
    assert not holdings._streams
