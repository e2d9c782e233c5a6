"""Events numbered, kept, and handed to watchers."""

import pytest

from labsfu.errors import InvalidValue
from labsfu.shell.event_hub import EventHub
from labsfu.shell.mailbox import Farewell, Mailbox
from labsfu.wire.events import RouterMade
from labsfu.wire.feed import Frame, Gap, Happened, Hello, decode_frame
from labsfu.wire.ids import RouterId

pytestmark = pytest.mark.trio


def hub_of(count: int = 0, *, size: int = 100, outbox_bytes: int = 100_000) -> EventHub:
    hub = EventHub("now", epoch_ms=lambda: 5, size=size, outbox_bytes=outbox_bytes)
    happen(hub, count)
    return hub


def happen(hub: EventHub, count: int) -> None:
    for _ in range(count):
        hub.publish(RouterMade(router_id=RouterId(f"router-{hub.seq + 1}")))


async def frames(mailbox: Mailbox) -> list[Frame | Farewell]:
    """All that waits, up to the farewell."""
    found: list[Frame | Farewell] = []
    while mailbox._waiting or (mailbox._farewell and mailbox._farewell not in found):
        item = await mailbox.take()
        found.append(item if isinstance(item, Farewell) else decode_frame(item))
    return found


async def told(mailbox: Mailbox) -> tuple[Frame | Farewell, list[int]]:
    """The hello, and the numbers of the events after it."""
    hello, *rest = await frames(mailbox)
    assert all(isinstance(frame, Happened) for frame in rest)
    return hello, [frame.seq for frame in rest if isinstance(frame, Happened)]


async def test_a_watcher_is_greeted_and_told_what_happens_from_then_on() -> None:
    hub = hub_of(2)
    watcher = hub.watch()
    happen(hub, 2)
    assert await told(watcher) == (Hello(epoch="now", seq=3, oldest=1), [3, 4])


async def test_one_who_comes_back_is_told_what_it_missed_without_a_seam() -> None:
    hub = hub_of(5)
    watcher = hub.watch(2, "now")
    happen(hub, 1)
    assert await told(watcher) == (Hello(epoch="now", seq=6, oldest=1), [3, 4, 5, 6])


@pytest.mark.parametrize(("since", "epoch"), [(5, "now"), (5, None)])
async def test_one_who_missed_nothing_is_told_nothing_twice(since: int, epoch: str | None) -> None:
    hub = hub_of(5)
    assert (await told(hub.watch(since, epoch)))[1] == []


@pytest.mark.parametrize(
    ("since", "epoch", "gap"),
    [
        (0, "now", Gap(reason="too-old", from_seq=1, to_seq=7)),
        (3, None, Gap(reason="too-old", from_seq=4, to_seq=7)),
        (6, "now", Gap(reason="too-old", from_seq=7, to_seq=7)),
        (3, "then", Gap(reason="other-epoch", from_seq=1, to_seq=7)),
        (9, "then", Gap(reason="other-epoch", from_seq=1, to_seq=7)),
        (11, None, Gap(reason="other-epoch", from_seq=1, to_seq=7)),
    ],
)
async def test_what_is_gone_is_named_before_all_that_is_there(since: int, epoch: str | None, gap: Gap) -> None:
    hub = hub_of(10, size=3)
    hello, first, *rest = await frames(hub.watch(since, epoch))
    assert hello == Hello(epoch="now", seq=11, oldest=8)
    assert first == gap
    assert [frame.seq for frame in rest if isinstance(frame, Happened)] == [8, 9, 10]


async def test_another_run_is_a_gap_even_when_nothing_of_this_one_is_missing() -> None:
    _, gap, first = await frames(hub_of(1).watch(0, "then"))
    assert gap == Gap(reason="other-epoch", from_seq=1, to_seq=0)
    assert isinstance(first, Happened)


async def test_the_edge_of_the_ring_is_no_gap() -> None:
    assert (await told(hub_of(10, size=3).watch(7, "now")))[1] == [8, 9, 10]


async def test_the_future_of_this_very_run_is_refused() -> None:
    with pytest.raises(InvalidValue, match="'since' is 6"):
        hub_of(5).watch(6, "now")


async def test_a_watcher_that_does_not_read_is_given_up_and_the_others_are_told_all() -> None:
    hub = hub_of(outbox_bytes=1000)
    deaf, keen = hub.watch(), hub.watch()
    seen = []
    for _ in range(40):
        happen(hub, 1)
        seen += await frames(keen)
    assert [frame.seq for frame in seen if isinstance(frame, Happened)] == list(range(1, 41))
    assert deaf.overflowed.is_set()
    assert not keen.overflowed.is_set()
    assert await frames(deaf) == [Farewell(4008, "the client does not read")]


async def test_what_was_asked_for_again_does_not_count_as_not_read() -> None:
    hub = hub_of(100, outbox_bytes=1000)
    watcher = hub.watch(0)
    happen(hub, 2)
    assert (await told(watcher))[1] == list(range(1, 103))


async def test_an_event_is_encoded_once_for_all_watchers_and_the_ring() -> None:
    hub = hub_of()
    watchers = [hub.watch(), hub.watch()]
    happen(hub, 1)
    texts = []
    for watcher in (*watchers, hub.watch(0)):
        await watcher.take()
        texts.append(await watcher.take())
    assert texts[0] is texts[1] is texts[2]


async def test_one_who_went_is_told_no_more() -> None:
    hub = hub_of()
    watcher = hub.watch()
    hub.unwatch(watcher)
    happen(hub, 1)
    assert (await told(watcher))[1] == []


async def test_when_it_closes_watchers_get_the_rest_and_a_farewell_and_nothing_happens_any_more() -> None:
    hub = hub_of()
    watcher = hub.watch()
    happen(hub, 1)
    hub.close(1001, "the server ends")
    happen(hub, 1)
    _, event, farewell = await frames(watcher)
    assert isinstance(event, Happened)
    assert farewell == Farewell(1001, "the server ends")
    assert hub.seq == 1


async def test_the_log_sees_each_event_dated_and_numbered() -> None:
    seen: list[Happened] = []
    hub = EventHub("now", epoch_ms=lambda: 5, size=1, outbox_bytes=1000, log=seen.append)
    happen(hub, 2)
    assert [(happened.seq, happened.at) for happened in seen] == [(1, 5), (2, 5)]
