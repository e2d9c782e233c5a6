"""All events of the server in one order: numbered, dated, encoded once, kept, and handed to whoever watches."""

from __future__ import annotations

from collections.abc import Callable

from labsfu.errors import Conflict, InvalidValue
from labsfu.shell.event_ring import EventRing
from labsfu.shell.mailbox import Mailbox
from labsfu.shell.whereabouts import Whereabouts
from labsfu.wire.base import to_json
from labsfu.wire.events import Event
from labsfu.wire.feed import Gap, Happened, Hello, encode_happened


class EventHub:
    """Takes in what happens; knows nothing of what it means.

    Args:
        epoch: names this run of the server.
        epoch_ms: the time, in epoch milliseconds.
        size: events that are kept for watchers who come back.
        outbox_bytes: what may wait for one watcher, besides what it asked to be told again.
        max_watchers: at one time.
        log: is given every event first.
    """

    def __init__(
        self,
        epoch: str,
        *,
        epoch_ms: Callable[[], int],
        size: int,
        outbox_bytes: int,
        max_watchers: int = 100,
        log: Callable[[Happened], None] | None = None,
    ) -> None:
        self.epoch = epoch
        self._epoch_ms = epoch_ms
        self._outbox_bytes = outbox_bytes
        self._max_watchers = max_watchers
        self._log = log
        self._ring = EventRing(size)
        self._whereabouts = Whereabouts()
        self._watchers: set[Mailbox] = set()
        self._closed = False

    @property
    def seq(self) -> int:
        """The number of the last event; 0 before the first."""
        return self._ring.next_seq - 1

    @property
    def watchers(self) -> int:
        """How many there are."""
        return len(self._watchers)

    def publish(self, event: Event) -> None:
        """Something happened."""
        if self._closed:
            return
        room_id, participant_id = self._whereabouts.place(event)
        happened = Happened(self._ring.next_seq, self._epoch_ms(), room_id, participant_id, event)
        text = encode_happened(happened)
        self._ring.append(text)
        if self._log is not None:
            self._log(happened)
        for watcher in self._watchers:
            watcher.put_text(text)

    def watch(self, since: int | None = None, epoch: str | None = None) -> Mailbox:
        """A mailbox with a hello, what happened after `since`, and from now on everything; give it back to `unwatch`.

        Args:
            since: the last event that the watcher has; 0: all that is there; None: nothing of the past.
            epoch: where it has that from; None: from this run of the server, unless that has not come so far.

        Raises:
            InvalidValue: `since` is in the future of this very epoch.
            Conflict: there are as many watchers as there may be.
        """
        if len(self._watchers) >= self._max_watchers:
            raise Conflict(f"{self._max_watchers} are watching, and no more may", slug="too-many-watchers")
        ring = self._ring
        frames = [to_json(Hello(epoch=self.epoch, seq=ring.next_seq, oldest=ring.oldest))]
        if since is not None:
            gap = self._gap(since, epoch)
            if gap is not None:
                frames.append(to_json(gap))
                since = gap.to_seq
            frames += ring.after(since)
        mailbox = Mailbox(self._outbox_bytes + sum(map(len, frames)))
        for frame in frames:
            mailbox.put_text(frame)
        self._watchers.add(mailbox)
        return mailbox

    def unwatch(self, mailbox: Mailbox) -> None:
        """The watcher is gone."""
        self._watchers.discard(mailbox)

    def close(self, code: int, reason: str) -> None:
        """Bid farewell to every watcher; what comes of the server's own end is no event any more."""
        self._closed = True
        for watcher in self._watchers:
            watcher.hang_up(code, reason)

    def _gap(self, since: int, epoch: str | None) -> Gap | None:
        ring = self._ring
        ahead = since >= ring.next_seq
        if ahead and epoch == self.epoch:
            raise InvalidValue(f"query parameter 'since' is {since}, the last event is {self.seq}", slug="since-ahead")
        if ahead or epoch not in (None, self.epoch):
            return Gap(reason="other-epoch", from_seq=1, to_seq=ring.oldest - 1)
        if since + 1 < ring.oldest:
            return Gap(reason="too-old", from_seq=since + 1, to_seq=ring.oldest - 1)
        return None
