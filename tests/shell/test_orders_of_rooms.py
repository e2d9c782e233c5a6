"""What rooms order in passing: each router's in order, none waits for another router, and a refusal ends nothing."""

from itertools import count

import pytest
import structlog
import trio
import trio.testing

from labsfu.errors import CommandError, NotFound, Unavailable
from labsfu.rooms.opening import RoomPlan
from labsfu.rooms.registry import Rooms
from labsfu.rooms.wishes import AskWorker, Flow, Gate, Order, WaitFor
from labsfu.shell.orders import Orders
from labsfu.shell.rooms_driver import RoomsDriver
from labsfu.shell.worker_process import WorkerFault
from labsfu.wire import commands
from labsfu.wire.ids import ProducerId, RouterId
from labsfu.wire.payloads import RoomType
from tests.support.fake_worker import FakeWorker
from tests.support.sole_worker import SoleWorker

pytestmark = pytest.mark.trio

ONE, TWO = RouterId("one"), RouterId("two")


def close(router_id: RouterId, name: str) -> commands.CloseProducer:
    return commands.CloseProducer(router_id=router_id, producer_id=ProducerId(name))


class Slow:
    """Carries out what its router lets it."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.gates = {ONE: trio.Event(), TWO: trio.Event()}

    async def execute(self, command: commands.Command) -> commands.Result:
        assert isinstance(command, commands.CloseProducer)
        await self.gates[command.router_id].wait()
        self.done.append(command.producer_id)
        if command.producer_id == "refused":
            raise NotFound.of("producer", command.producer_id)
        return commands.Done()


async def test_those_of_one_router_go_in_order_and_hold_up_no_other_router(nursery: trio.Nursery) -> None:
    slow = Slow()
    orders = Orders(slow.execute)
    orders.put(Order(close(ONE, "early")))
    nursery.start_soon(orders.run)
    for router_id, name in ((ONE, "refused"), (TWO, "b"), (ONE, "c")):
        orders.put(Order(close(router_id, name)))
    slow.gates[TWO].set()
    await trio.testing.wait_all_tasks_blocked()
    assert slow.done == ["b"]
    slow.gates[ONE].set()
    await trio.testing.wait_all_tasks_blocked()
    assert slow.done == ["b", "early", "refused", "c"]
    assert len(orders) == 0
    orders.put(Order(close(ONE, "later")))
    await trio.testing.wait_all_tasks_blocked()
    assert slow.done[-1] == "later"
    orders.stop()


async def test_who_waits_for_one_goes_on_when_it_is_carried_out_or_refused(nursery: trio.Nursery) -> None:
    slow = Slow()
    orders = Orders(slow.execute)
    nursery.start_soon(orders.run)
    put = [Order(close(ONE, "refused")), Order(close(ONE, "b"))]
    for order in put:
        orders.put(order)
    await trio.testing.wait_all_tasks_blocked()
    assert [order.over.is_open for order in put] == [False, False]
    slow.gates[ONE].set()
    await trio.testing.wait_all_tasks_blocked()
    assert [order.over.is_open for order in put] == [True, True]
    orders.stop()


async def test_a_bug_of_a_worker_ends_neither_those_behind_it_nor_anything_else(nursery: trio.Nursery) -> None:
    done: list[commands.Command] = []

    async def execute(command: commands.Command) -> commands.Result:
        await trio.lowlevel.checkpoint()
        done.append(command)
        if len(done) == 1:
            raise WorkerFault("Traceback …")
        return commands.Done()

    orders = Orders(execute)
    nursery.start_soon(orders.run)
    first, second = Order(close(ONE, "a")), Order(close(ONE, "b"))
    with structlog.testing.capture_logs() as logged:
        orders.put(first)
        orders.put(second)
        await trio.testing.wait_all_tasks_blocked()
    assert done == [first.command, second.command]
    assert first.over.is_open, "nobody waits for ever"
    assert [(entry["log_level"], entry["event"]) for entry in logged] == [("error", "order failed")]
    orders.stop()


async def test_nothing_is_put_after_the_stop() -> None:
    orders = Orders(Slow().execute)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(orders.run)
        await trio.testing.wait_all_tasks_blocked()
        orders.stop()
        orders.put(Order(close(ONE, "a")))
    orders.put(Order(close(ONE, "b")))
    assert len(orders) == 0


class Faulty(FakeWorker):
    """Its first closing of a router comes upon a bug."""

    def __init__(self) -> None:
        super().__init__()
        self.closings = 0

    async def execute(self, command: commands.Command) -> commands.Result:
        if isinstance(command, commands.CloseRouter):
            self.closings += 1
            if self.closings == 1:
                raise WorkerFault("Traceback …")
        return await super().execute(command)


async def test_a_bug_of_a_worker_does_not_end_the_keeping_of_time(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """Two rooms are to be closed at one time; the second one is, too."""
    worker, ids = Faulty(), count()
    rooms = Rooms(new_id=lambda: f"id-{next(ids)}", epoch_at_zero=0, room_grace=5)
    driver = RoomsDriver(rooms, SoleWorker(worker), now=trio.current_time, publish=lambda _: None, outbox_bytes=1000)
    worker.on_events = driver.on_events
    nursery.start_soon(driver.keep_time)
    for _ in range(2):
        await driver.run(rooms.create_room(RoomPlan(RoomType.CONFERENCE, 4), trio.current_time()))
    with structlog.testing.capture_logs() as logged:
        await trio.sleep(6)
    assert worker.closings == 2
    assert [entry["event"] for entry in logged] == ["worker failed"]
    assert rooms.counts() == (0, 0)
    driver.stop()


async def test_stopping_ends_those_that_wait() -> None:
    orders = Orders(Slow().execute)
    orders.put(Order(close(ONE, "a")))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(orders.run)
        await trio.testing.wait_all_tasks_blocked()
        orders.stop()
    assert len(orders) == 0


def new_driver(worker: FakeWorker) -> RoomsDriver:
    rooms = Rooms(new_id=lambda: "id", epoch_at_zero=0)
    return RoomsDriver(rooms, SoleWorker(worker), now=trio.current_time, publish=lambda _event: None, outbox_bytes=1000)


async def test_a_flow_waits_until_its_gate_opens_and_one_that_is_open_holds_up_nobody(nursery: trio.Nursery) -> None:
    driver, gate, said = new_driver(FakeWorker()), Gate(), list[str]()

    def flow(name: str) -> Flow[None]:
        yield WaitFor(gate)
        said.append(name)
        yield AskWorker(commands.GetCounts())

    nursery.start_soon(driver.run, flow("a"))
    nursery.start_soon(driver.run, flow("b"))
    await trio.testing.wait_all_tasks_blocked()
    assert said == []
    gate.open()
    await driver.run(flow("late"))
    await trio.testing.wait_all_tasks_blocked()
    assert sorted(said) == ["a", "b", "late"]


async def test_a_driver_that_stops_gives_up_orders_and_who_waits_at_a_gate(nursery: trio.Nursery) -> None:
    worker = FakeWorker()
    worker.hold = commands.CloseProducer
    driver = new_driver(worker)
    nursery.start_soon(driver.carry_out_orders)
    refused: list[CommandError] = []

    async def wait() -> None:
        def flow() -> Flow[None]:
            driver.rooms._notices.order(close(ONE, "a"))
            yield WaitFor(Gate())

        try:
            await driver.run(flow())
        except CommandError as error:
            refused.append(error)

    nursery.start_soon(wait)
    with trio.fail_after(1):
        await worker.held.wait()  # the order is being carried out
    driver.stop()
    await trio.testing.wait_all_tasks_blocked()
    assert [type(error) for error in refused] == [Unavailable]
    assert len(driver._orders) == 0
