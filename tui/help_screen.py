"""Help for the view under it."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from tui.look.help import help_of
from tui.look.page import Kind


class HelpScreen(ModalScreen[None]):
    """Keys and words of a view; any of its keys closes it."""

    DEFAULT_CSS = """
    HelpScreen { align: center middle; }
    HelpScreen > VerticalScroll {
        width: 76; max-width: 100%; height: auto; max-height: 100%;
        border: round $border; border-title-style: bold; padding: 0 1; background: $surface;
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,f1,enter,space", "close", "Close", show=False),
        Binding("q", "app.quit", "Quit", show=False),
    ]

    def __init__(self, kind: Kind) -> None:
        super().__init__()
        self._title, self._text = help_of(kind)

    def compose(self) -> ComposeResult:
        """A box with the text."""
        box = VerticalScroll(Static(Content(self._text)))
        box.border_title = self._title
        yield box

    def action_close(self) -> None:
        """Back to the view."""
        self.dismiss(None)
