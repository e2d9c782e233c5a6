"""A question that is asked again and again of somebody who may fall silent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import trio

T = TypeVar("T")


class Inquiry(Generic[T]):
    """Asks one question at a time; who missed the last one is not waited for until that is answered.

    Args:
        ask: gets the answer, or raises what is wrong.
        patience: seconds that the answer may take.
    """

    def __init__(self, ask: Callable[[], Awaitable[T]], patience: float) -> None:
        self._ask = ask
        self._patience = patience
        self._open: _Question[T] | None = None

    async def answer(self) -> T | None:
        """Ask, unless a question is open; None: there is no answer in time. Cancelled: the question stays open.

        Raises what `ask` raises.
        """
        question = self._open
        if question is None:
            question = self._open = _Question()
            # Whoever wants the answer may go away, or lose patience; what was asked is to be heard all the same.
            trio.lowlevel.spawn_system_task(self._put, question)
        elif question.late:
            await trio.lowlevel.checkpoint()
            return None
        with trio.move_on_after(self._patience):
            await question.settled.wait()
            if question.error is not None:
                raise question.error
            return question.answer
        question.late = True
        return None

    async def _put(self, question: _Question[T]) -> None:
        try:
            question.answer = await self._ask()
        except Exception as error:  # is raised where the answer is waited for
            question.error = error
        finally:
            self._open = None
            question.settled.set()


class _Question(Generic[T]):
    """One that is put; `late`: somebody waited for the answer in vain."""

    def __init__(self) -> None:
        self.settled = trio.Event()
        self.late = False
        self.answer: T | None = None
        self.error: Exception | None = None
