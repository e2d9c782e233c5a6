"""A consumer of a producer with layers: one continuous stream made of several that the sender offers."""

from __future__ import annotations

from typing import Any

from labsfu.core.forwarding.consumer import Consumer
from labsfu.core.forwarding.form import PacketForm
from labsfu.core.forwarding.inbound import InboundStream
from labsfu.core.forwarding.layers import NOTHING, Layers
from labsfu.core.forwarding.past_run import KEPT, PastRun
from labsfu.core.forwarding.score import Score
from labsfu.core.forwarding.vp8_rewriter import Vp8Rewriter
from labsfu.core.sequence import distance32
from labsfu.wire.events import LayersReason

FRAME = 1 / 30
"""Seconds by which what a stream sends goes on after its numbers began anew."""

STEP = 1 / 1000
"""Seconds by which a switch goes on where the key frame is of the picture that was sent last, or of one before."""

MAX_BACK = 0.075
"""Seconds by which a key frame may be older than what was sent last; of an older one another is awaited (mediasoup 3.4:
75 ms), once: the next one is taken as it is."""


class LayeredConsumer(Consumer):
    """Sends one of the producer's streams at a time, and of it the temporal layers that are wanted.

    Given: as `Consumer`; the layers that are preferred; the highest temporal layer that there is; a rewriter where the
    codec's descriptor numbers pictures.
    Owned: `stream` is what it is sent (None: nothing yet), `pending` what it switches to at that stream's next key
    frame, `layers` what was chosen for it, and the `reason`; `changed` is set when what it is sent changed, and is for
    its producer to take back; `told` is what was told of it last.
    """

    __slots__ = (
        "_ahead",
        "_gone",
        "_highest_temporal",
        "_last_timestamp",
        "_offset",
        "_past",
        "_realigns",
        "_refused",
        "_rewriter",
        "_run",
        "_run_begins",
        "changed",
        "layers",
        "pending",
        "preferred",
        "reason",
        "stream",
        "told",
    )

    def __init__(
        self,
        *arguments: Any,  # noqa: ANN401 - Consumer's own, handed on
        preferred: Layers,
        highest_temporal: int,
        rewriter: Vp8Rewriter | None,
        **options: Any,  # noqa: ANN401 - Consumer's own, handed on
    ) -> None:
        self._highest_temporal = highest_temporal
        self.preferred = preferred
        self.layers = NOTHING
        self.reason: LayersReason = "begun"
        self.told = NOTHING
        self.stream: InboundStream | None = None
        self.pending: InboundStream | None = None
        self._rewriter = rewriter
        self._offset = 0
        self._ahead = 0
        self._last_timestamp: int | None = None
        self._realigns = False
        self._refused = False
        self._gone = False
        self._run = 0
        self._run_begins = 0
        self._past: tuple[PastRun, ...] = ()
        self.changed = False
        super().__init__(*arguments, **options)

    @property
    def wants_key_frame(self) -> bool:
        """Whether a key frame of `pending`, or else of `stream`, is waited for."""
        return self.active and (self.pending is not None or (self._awaits_key_frame and self.layers != NOTHING))

    @property
    def rewrites(self) -> bool:
        """Whether it writes numbers of its own into payloads."""
        return self._rewriter is not None

    @property
    def timestamp_offset(self) -> int:
        """What is added to the present stream's RTP timestamps."""
        return self._offset

    @property
    def current(self) -> Layers:
        """The layers that are sent; nothing before the key frame that it begins with."""
        if self.stream is None or not self.active or self.layers == NOTHING or not self._sequence.synced:
            return NOTHING
        rewriter = self._rewriter
        temporal = self._highest_temporal if rewriter is None or not rewriter.filters else rewriter.temporal
        return Layers(self.stream.encoding, temporal)

    def news(self) -> LayersReason | None:
        """Why what it is sent is not what was told of it last, which it then is; None when it is that still."""
        current = self.current
        before, self.told = self.told, current
        if current == before:
            return None
        if before == NOTHING:
            return "begun"
        return "stopped" if current == NOTHING else self.reason

    def choose(self, layers: Layers, stream: InboundStream | None, reason: LayersReason) -> bool:
        """Aim at these layers, of which `stream` is the spatial one; True when a key frame of it is needed now."""
        if layers != self.layers:
            self.reason = reason
            if NOTHING in (layers, self.layers):
                self.resync()
            self.layers = layers
        wanted = None if stream is self.stream and not self._realigns else stream
        if wanted is None:
            self._aim()
        new = wanted is not None and wanted is not self.pending
        self._refused = self._refused and not new
        self.pending = wanted
        return self.active and (new or (stream is not None and self._awaits_key_frame))

    def replace(self, former: InboundStream, stream: InboundStream) -> None:
        """An encoding goes on as another stream."""
        self.forget(former)
        self._gone = self._gone or self.stream is former
        if self.layers == NOTHING:
            return
        if self.pending is former or (self.stream is former and self.pending is None):
            self.pending = stream

    def forget(self, stream: InboundStream) -> None:
        """What was sent of a stream before the last switch has no place any more: it is gone, or began anew."""
        self._past = tuple(run for run in self._past if run.stream is not stream)

    def left_at(self, stream: InboundStream) -> int:
        """The last number that was sent of a stream before the consumer went over to another; negative if none was."""
        return max((run.last for run in self._past if run.stream is stream), default=-1)

    def resync(self) -> None:
        """As `Consumer.resync`: nothing that came before has a place any more."""
        self._past = ()
        super().resync()

    def begin_anew(self) -> None:
        """The present stream began its numbers anew, and its timestamps perhaps: go over to it as to another one."""
        self._realigns = self._last_timestamp is not None
        if self._realigns and self.pending is None:
            self.pending = self.stream
        super().begin_anew()

    def _aim(self) -> None:
        """Let the rewriter send the temporal layers that were chosen for the present stream."""
        if self._rewriter is not None and self.layers.spatial >= 0:
            self._rewriter.target_temporal = self.layers.temporal

    def switch(self, number: int, timestamp: int, now: float, unix_now: float) -> bool:
        """Go over to `pending`, whose key frame has this extended number and RTP timestamp; False if it is of the past.

        Both streams' timestamps are brought to one clock: the sender's, by its reports, else that of their arrival.
        """
        new = self.pending
        if new is None or number <= self.left_at(new):
            return False
        offset, behind = self._offset_to(new, timestamp, now, unix_now)
        if behind > MAX_BACK * new.clock_rate and not self._refused:
            self._refused = True
            return False
        past = self._ended_run()
        self._ahead = behind
        self._offset = offset + behind & 0xFFFFFFFF
        self.stream, self.pending = new, None
        self._realigns = self._refused = self._gone = False
        self._aim()
        self.score = Score()
        super().begin_anew()
        self._past = past
        return True

    def _ended_run(self) -> tuple[PastRun, ...]:
        """The runs that are kept, with the one that ends now: the present stream up to the last packet sent."""
        if self.stream is None or self._gone or not self._sequence.synced:
            return self._past
        rewriter = None if self._rewriter is None else self._rewriter.copy()
        run = PastRun(self.stream, self._sequence.copy(), rewriter, self._offset, self._run_begins)
        return (*self._past, run)[-KEPT:]

    def _offset_to(self, new: InboundStream, timestamp: int, now: float, unix_now: float) -> tuple[int, int]:
        """What to add to a stream's timestamps to bring them to our clock, and in this run to go on from those sent."""
        old, last = self.stream, self._last_timestamp
        offset = 0
        if old is not None and not self._realigns:
            offset = old.timestamp_at(now, unix_now) + self._offset - self._ahead - new.timestamp_at(now, unix_now)
        if last is None:
            return offset, 0
        ahead = distance32(timestamp + offset & 0xFFFFFFFF, last)
        if self._realigns:
            return offset + round(FRAME * new.clock_rate) - ahead, 0
        return offset, round(STEP * new.clock_rate) - ahead if ahead <= 0 else 0

    def relay(self, form: PacketForm, number: int, timestamp: int, key_frame: bool) -> bool:
        """As `Consumer.relay`, without the temporal layers that are not sent."""
        shifted = timestamp + self._offset & 0xFFFFFFFF
        rewriter, descriptor, sequence = self._rewriter, form.descriptor, self._sequence
        begins = not sequence.synced
        if rewriter is not None and descriptor is not None:
            temporal = rewriter.temporal
            if not sequence.synced and key_frame and sequence.is_new(number):
                rewriter.switch(descriptor)
                sequence.sync(number)
                self.rate.begin(form.now, 0)
                self._awaits_key_frame = False
                self._run, self._run_begins = rewriter.runs, number
            if sequence.synced:
                admitted = rewriter.admits(descriptor)
                self.changed = self.changed or rewriter.temporal != temporal
                if not admitted:
                    self._leave_out(form, number, shifted)
                    return True
                if rewriter.runs != self._run:  # PictureIDs began anew: what is before has no place among them
                    self._run, self._run_begins = rewriter.runs, number
                rewriter.rewrite(descriptor, form.packet, form.shift)
        if not super().relay(form, number, shifted, key_frame):
            return False
        if self._last_timestamp is None or distance32(shifted, self._last_timestamp) > 0:
            self._last_timestamp = shifted
        self.changed = self.changed or begins
        return True

    def relay_late(self, stream: InboundStream, form: PacketForm, number: int, timestamp: int, now: float) -> None:
        """A packet of a stream that was left: sent where it has a place among what was sent before the switch."""
        for run in self._past:
            output = run.output_of(number) if run.stream is stream else -1
            if output >= 0:
                shifted = timestamp + run.offset & 0xFFFFFFFF
                whole = run.rewrite(form.descriptor, form)
                with form.emptied(when=not whole):  # of a layer that was left out: its number is filled
                    self._send(form, output, shifted)
                if self.resends is not None:
                    self.resends.sent(output, now)
                return

    def sent_as(self, output: int) -> int:
        """As `Consumer.sent_as`, but for what was sent before PictureIDs began anew."""
        number = super().sent_as(output)
        return number if number >= self._run_begins else -1

    def past_run(self, output: int) -> PastRun | None:
        """The run, before the present one, in which a packet was sent as `output`."""
        return next((run for run in reversed(self._past) if run.number_of(output) >= 0), None)

    def _leave_out(self, form: PacketForm, number: int, timestamp: int) -> None:
        """A packet of a temporal layer that is not sent: its number is left out, or filled where that is too late."""
        if not self.skip(number, "temporal-layer"):
            with form.emptied():
                super().relay(form, number, timestamp, False)

    def resend(self, form: PacketForm, output: int, timestamp: int) -> None:
        """As `Consumer.resend`, with the numbers that the picture had the first time."""
        run = None if self.sent_as(output) >= 0 else self.past_run(output)
        rewriter, descriptor = self._rewriter, form.descriptor
        if run is not None:
            shifted = timestamp + run.offset & 0xFFFFFFFF
            whole = run.rewrite(descriptor, form)
        else:
            shifted = timestamp + self._offset & 0xFFFFFFFF
            whole = rewriter is None or descriptor is None or rewriter.rewrite(descriptor, form.packet, form.shift)
        with form.emptied(when=not whole):  # of a layer that is left out: its number was filled
            super().resend(form, output, shifted)
