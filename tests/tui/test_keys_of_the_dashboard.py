"""Every key of the footer does what it says, and is there when it does."""

from __future__ import annotations

from pathlib import Path

import pytest

from labsfu.wire import events
from labsfu.wire.ids import ParticipantId, RoomId
from tests.tui.invented_server import InventedServer
from tests.tui.watching import LARGE, SMALL, Watched, watched
from tui.help_screen import HelpScreen
from tui.model.snapshot import state_of
from tui.model.state import State

pytestmark = pytest.mark.asyncio


def a_server() -> tuple[InventedServer, State]:
    """Two rooms; in tea Ada sends audio and Grace is sent it."""
    server = InventedServer()
    for order, choice in ((0, 0), (0, 1), (0, 3), (2, 0), (3, 1)):
        server.do(order, choice)
    state = state_of(server.snapshot())
    for happened in server.told:
        state.apply(happened)
    state.link_is("live", state.now)
    return server, state


def more(server: InventedServer, state: State, order: int, choice: int) -> None:
    known = len(server.told)
    server.do(order, choice)
    for happened in server.told[known:]:
        state.apply(happened)


def somewhere(dashboard: Watched) -> str:
    return dashboard.bar("crumbs")


async def test_digits_are_views() -> None:
    async with watched(a_server()[1]) as dashboard:
        assert somewhere(dashboard) == "overview"
        await dashboard.press("2")
        assert somewhere(dashboard) == "rooms"
        assert [line.split()[0] for line in dashboard.lines] == ["tea", "work"]
        await dashboard.press("5")
        assert somewhere(dashboard) == "events"
        assert "participant-created" in "\n".join(dashboard.lines)
        await dashboard.press("1")
        assert somewhere(dashboard) == "overview"
        assert dashboard.lines[0].startswith("rooms 2   people 3")


async def test_enter_goes_in_and_escape_comes_back_to_where_it_was() -> None:
    async with watched(a_server()[1], LARGE) as dashboard:
        await dashboard.press("2", "enter")
        assert somewhere(dashboard) == "rooms > tea"
        assert "enter" not in dashboard.keys  # on Ada's own line
        await dashboard.row("audio of Ada")
        assert "enter" in dashboard.keys
        await dashboard.press("enter")
        assert somewhere(dashboard) == "rooms > tea > Grace > audio of Ada"
        assert dashboard.lines[0].startswith("audio of Ada opus paused")
        (consumer,) = dashboard.feed.state.consumers
        assert dashboard.feed.asked == [consumer]
        await dashboard.press("escape")
        assert somewhere(dashboard) == "rooms > tea"
        assert dashboard.pane.current == consumer
        await dashboard.press("escape")
        assert somewhere(dashboard) == "rooms"
        assert "esc" not in dashboard.keys
        await dashboard.press("escape")
        assert somewhere(dashboard) == "rooms"


async def test_backspace_is_as_good_as_escape() -> None:
    async with watched(a_server()[1]) as dashboard:
        await dashboard.press("2", "enter", "backspace")
        assert somewhere(dashboard) == "rooms"


async def test_a_producer_shows_who_it_is_of_and_what_happened_to_it() -> None:
    server, state = a_server()
    async with watched(state, LARGE) as dashboard:
        await dashboard.press("2", "enter")
        await dashboard.row("audio opus")
        await dashboard.press("enter")
        text = "\n".join(dashboard.lines)
        assert "Ada (ada) in room tea" in text
        assert "1 consumer" in text
        more(server, state, 4, 0)
        dashboard.tick()
        assert "paused" in dashboard.lines[0]
        assert any("producer-paused" in line for line in dashboard.lines[-4:])


async def test_space_freezes_the_screen_and_not_the_collecting() -> None:
    server, state = a_server()
    async with watched(state) as dashboard:
        await dashboard.press("2", "space")
        assert "frozen" in dashboard.bar("title")
        assert "go on" in dashboard.bar("keys")
        more(server, state, 0, 4)
        dashboard.tick()
        await dashboard.press("1", "2")
        assert "2/8" in dashboard.lines[0]
        assert "1/8" in dashboard.lines[1]
        await dashboard.press("space")
        assert "2/8" in dashboard.lines[1]
        assert "frozen" not in dashboard.bar("title")


async def test_slash_filters_while_it_is_typed_enter_keeps_it_escape_shows_all() -> None:
    async with watched(a_server()[1]) as dashboard:
        await dashboard.press("2", "slash", *"wo")
        assert dashboard.filter.has_class("shown")
        assert [line.split()[0] for line in dashboard.lines] == ["work"]
        await dashboard.press("enter")
        assert not dashboard.filter.has_class("shown")
        assert somewhere(dashboard) == "rooms   only with 'wo'"
        assert "esc" in dashboard.keys
        await dashboard.press("escape")
        assert len(dashboard.lines) == 2
        await dashboard.press("slash", *"zz")
        assert "No room has 'zz'" in dashboard.lines[0]
        await dashboard.press("escape")
        assert len(dashboard.lines) == 2
        assert dashboard.pane.has_focus


async def test_the_filter_of_a_room_shows_some_people_with_all_that_is_theirs() -> None:
    async with watched(a_server()[1]) as dashboard:
        await dashboard.press("2", "enter", "slash", *"GRA", "enter")
        assert dashboard.lines[0].startswith("Grace (grace)")
        assert "audio of Ada" in "\n".join(dashboard.lines)
        assert not any(line.startswith("Ada") for line in dashboard.lines)


async def test_the_filter_of_events_looks_at_their_text() -> None:
    async with watched(a_server()[1]) as dashboard:
        await dashboard.press("5", "slash", *"consumer-cr")
        assert len(dashboard.lines) == 1


async def test_a_page_that_was_not_seen_before_begins_at_its_first_row() -> None:
    async with watched(a_server()[1]) as dashboard:
        await dashboard.press("5", "end", "2")
        assert dashboard.pane.current == "room tea"
        await dashboard.press("down", "enter")
        assert somewhere(dashboard) == "rooms > work"
        assert dashboard.pane.current == "person ada"
        await dashboard.press("5")
        assert dashboard.pane.current == str(len(dashboard.feed.state.tail))


async def test_while_a_filter_is_typed_the_footer_has_the_keys_of_the_filter() -> None:
    async with watched(a_server()[1]) as dashboard:
        await dashboard.press("2", "slash", "w")
        assert dashboard.bar("keys") == "enter keep the filter esc show all"
        await dashboard.press("enter")
        assert "q" in dashboard.keys


async def test_what_only_http_tells_is_asked_for_once_when_it_is_to_be_seen() -> None:
    server, state = a_server()
    more(server, state, 2, 0)
    *_, (_, new) = state.producers
    async with watched(state) as dashboard:
        await dashboard.press("2")
        assert dashboard.feed.asked == []
        await dashboard.press("enter")
        assert dashboard.feed.asked == [new]  # the others were in the snapshot
        more(server, state, 4, 0)
        dashboard.tick()
        await dashboard.pilot.pause()
        assert dashboard.feed.asked == [new]


async def test_letters_in_the_filter_are_no_keys() -> None:
    async with watched(a_server()[1]) as dashboard:
        await dashboard.press("2", "slash", *"q1st?", "space", "5")
        assert dashboard.filter.value == "q1st? 5"
        assert somewhere(dashboard) == "rooms   only with 'q1st? 5'"


@pytest.mark.parametrize("key", ["question_mark", "f1"])
async def test_help_is_about_the_view_and_goes_away(key: str) -> None:
    async with watched(a_server()[1]) as dashboard:
        await dashboard.press("2", key)
        assert [type(screen) for screen in dashboard.app.screen_stack[1:]] == [HelpScreen]
        assert "people   are here" in dashboard.app.export_screenshot(simplify=True).replace("&#160;", " ")
        await dashboard.press("escape")
        assert len(dashboard.app.screen_stack) == 1
        assert somewhere(dashboard) == "rooms"


async def test_t_changes_between_dark_and_light() -> None:
    async with watched(a_server()[1]) as dashboard:
        before = dashboard.app.theme
        await dashboard.press("t")
        assert dashboard.app.theme != before
        assert not dashboard.app.current_theme.dark
        await dashboard.press("t")
        assert dashboard.app.theme == before


async def test_s_saves_a_picture(tmp_path: Path) -> None:
    async with watched(a_server()[1], pictures=tmp_path) as dashboard:
        await dashboard.press("2", "s")
        saved = (tmp_path / "labsfu-20260102-030405.svg").read_text(encoding="utf-8")
        assert saved.startswith("<svg")
        assert "tea" in saved


async def test_s_says_when_a_picture_cannot_be_saved(tmp_path: Path) -> None:
    async with watched(a_server()[1], pictures=tmp_path / "nowhere") as dashboard:
        await dashboard.press("s")
        (notice,) = dashboard.app._notifications
        assert "not saved" in notice.message


async def test_q_quits() -> None:
    async with watched(a_server()[1]) as dashboard:
        await dashboard.press("q")
        assert not dashboard.app.is_running
        assert dashboard.app.return_code == 0


async def test_the_cursor_stays_on_its_row_when_others_go() -> None:
    server, state = a_server()
    async with watched(state) as dashboard:
        await dashboard.press("2", "down")
        assert dashboard.pane.current == "room work"
        more(server, state, 9, 0)  # tea is closed
        dashboard.tick()
        assert dashboard.pane.current == "room work"
        more(server, state, 9, 0)
        dashboard.tick()
        assert dashboard.pane.current == ""
        assert "There is no room yet" in dashboard.lines[0]


async def test_what_is_gone_says_so() -> None:
    server, state = a_server()
    async with watched(state) as dashboard:
        await dashboard.press("2", "enter")
        more(server, state, 9, 0)
        dashboard.tick()
        assert dashboard.lines == ["Room 'tea' is gone; esc goes back."]
        await dashboard.press("escape")
        assert somewhere(dashboard) == "rooms"


async def test_moving_keys_stay_within_the_rows() -> None:
    async with watched(a_server()[1]) as dashboard:
        await dashboard.press("5", "home")
        assert dashboard.pane.current == "1"
        await dashboard.press("up", "k")
        assert dashboard.pane.current == "1"
        await dashboard.press("j", "down")
        assert dashboard.pane.current == "3"
        await dashboard.press("end", "down")
        assert dashboard.pane.current == str(len(dashboard.feed.state.tail))
        await dashboard.press("pageup", "pageup", "pageup")
        await dashboard.press("pagedown")
        assert 1 < int(dashboard.pane.current) <= len(dashboard.lines)


async def test_events_follow_the_newest_unless_one_moves_away() -> None:
    server, state = a_server()
    async with watched(state) as dashboard:
        await dashboard.press("5")
        more(server, state, 4, 0)
        dashboard.tick()
        assert dashboard.pane.current == str(len(state.tail))
        await dashboard.press("up", "up")
        kept = dashboard.pane.current
        more(server, state, 4, 0)
        dashboard.tick()
        assert dashboard.pane.current == kept


async def test_a_click_chooses_and_another_one_opens_and_keys_can_be_clicked() -> None:
    async with watched(a_server()[1]) as dashboard:
        await dashboard.press("2")
        await dashboard.pilot.click("#pane", offset=(3, 2))
        assert dashboard.pane.current == "room work"
        await dashboard.pilot.click("#pane", offset=(3, 2))
        await dashboard.pilot.pause()
        assert somewhere(dashboard) == "rooms > work"
        await dashboard.pilot.click("#keys", offset=(1, 0))
        await dashboard.pilot.pause()
        assert somewhere(dashboard) == "overview"


async def test_narrow_terminals_lose_the_least_important_keys() -> None:
    _, state = a_server()
    async with watched(state, SMALL) as dashboard:
        await dashboard.press("2")
        assert len(dashboard.bar("keys")) <= 80
        assert {"enter", "?", "q"} <= set(dashboard.keys)
    async with watched(state, LARGE) as dashboard:
        await dashboard.press("2")
        assert dashboard.keys == ["1", "2", "5", "enter", "/", "space", "s", "t", "?", "q"]


@pytest.mark.parametrize("size", [(20, 5), (1, 1), (40, 10), (300, 100)])
async def test_any_size_of_terminal_will_do(size: tuple[int, int]) -> None:
    async with watched(a_server()[1], size) as dashboard:
        await dashboard.press("2", "enter", "down", "down", "down", "enter", "5", "question_mark", "escape", "slash")
        await dashboard.pilot.resize_terminal(80, 24)
        assert dashboard.app.is_running


async def test_a_lost_server_is_told_until_it_is_back() -> None:
    _, state = a_server()
    async with watched(state) as dashboard:
        assert dashboard.bar("banner") == ""
        state.link_is("lost", state.now, "connection refused\nby whom")
        dashboard.tick()
        assert dashboard.bar("banner").startswith("✗ lost the server at 22:13:21, trying again: connection refused")
        assert "lost" in dashboard.bar("title")
        state.link_is("live", state.now)
        dashboard.tick()
        assert dashboard.bar("banner") == ""
        assert "resumed 1x" in dashboard.bar("title")


async def test_who_speaks_is_marked() -> None:
    server, state = a_server()
    (router,) = server.rooms["tea"].router_ids
    server.tell(events.ActiveSpeaker(router_id=router, participant_id=ParticipantId("grace")))
    state.apply(server.told[-1])
    async with watched(state, LARGE) as dashboard:
        await dashboard.press("2")
        assert "♪ Grace" in dashboard.lines[0]
        await dashboard.press("enter")
        assert [line[:7] for line in dashboard.lines if "♪" in line] == ["♪ Grace"]
    assert state.rooms[RoomId("tea")].speaker == "grace"
