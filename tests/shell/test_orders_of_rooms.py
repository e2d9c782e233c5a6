"""What rooms order in passing: each router's in order, none waits for another router, and a refusal ends nothing."""

import pytest
import trio
import trio.testing

from labsfu.errors import CommandError, NotFound, Unavailable
from labsfu.rooms.registry import Rooms
from labsfu.rooms.wishes import AskWorker, Flow, Gate, WaitFor
from labsfu.shell.orders import Orders
from labsfu.shell.rooms_driver import RoomsDriver
from labsfu.shell.worker_pool import SoleWorker
from labsfu.wire import commands
from labsfu.wire.ids import ProducerId, RouterId
from tests.support.fake_worker import FakeWorker

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
    orders.put(close(ONE, "early"))
    nursery.start_soon(orders.run)
    for router_id, name in ((ONE, "refused"), (TWO, "b"), (ONE, "c")):
        orders.put(close(router_id, name))
    slow.gates[TWO].set()
    await trio.testing.wait_all_tasks_blocked()
    assert slow.done == ["b"]
    slow.gates[ONE].set()
    await trio.testing.wait_all_tasks_blocked()
    assert slow.done == ["b", "early", "refused", "c"]
    assert len(orders) == 0
    orders.put(close(ONE, "later"))
    await trio.testing.wait_all_tasks_blocked()
    assert slow.done[-1] == "later"
    orders.stop()


async def test_stopping_ends_those_that_wait() -> None:
    orders = Orders(Slow().execute)
    orders.put(close(ONE, "a"))
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
