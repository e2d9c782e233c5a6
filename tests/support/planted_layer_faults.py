"""Faults in the way layers are joined, each of which the continuity of layers must not survive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from labsfu.core.codecs.vp8 import Vp8PayloadDescriptor
from labsfu.core.forwarding.inbound import InboundStream
from labsfu.core.forwarding.layered_consumer import LayeredConsumer
from labsfu.core.forwarding.layered_producer import LayeredProducer
from labsfu.core.forwarding.producer import Producer
from labsfu.core.forwarding.requests import SenderRequests
from labsfu.core.forwarding.sequence_map import SequenceMap
from labsfu.core.forwarding.vp8_rewriter import Vp8Rewriter


@dataclass(frozen=True, slots=True)
class Fault:
    """What is broken, and what the property says of it (a pattern), for one of so many receivers."""

    name: str
    plant: Callable[[pytest.MonkeyPatch], None]
    shows: str
    receivers: int = 2

    def __str__(self) -> str:
        return self.name


def _keeping(patch: pytest.MonkeyPatch, place: Callable[[Vp8PayloadDescriptor], slice]) -> None:
    """The rewriter leaves what it finds at a place as it was."""
    rewrite = Vp8Rewriter.rewrite

    def keep(self: Vp8Rewriter, descriptor: Vp8PayloadDescriptor, packet: bytearray, shift: int) -> bool:
        at = place(descriptor)
        kept = slice(at.start + shift, at.stop + shift)
        before = packet[kept]
        admitted = rewrite(self, descriptor, packet, shift)
        packet[kept] = before
        return admitted

    patch.setattr(Vp8Rewriter, "rewrite", keep)


def _picture_id(descriptor: Vp8PayloadDescriptor) -> slice:
    at = descriptor.picture_id_offset
    return slice(at, at + 1 + descriptor.long_picture_id)


def _tl0(descriptor: Vp8PayloadDescriptor) -> slice:
    at = descriptor.tl0_picture_index_offset
    return slice(at, at + (at > 0))


def no_picture_id_rewriting(patch: pytest.MonkeyPatch) -> None:
    """PictureIDs go out as they came."""
    _keeping(patch, _picture_id)


def no_tl0_rewriting(patch: pytest.MonkeyPatch) -> None:
    """TL0PICIDXs go out as they came."""
    _keeping(patch, _tl0)


def _switching(patch: pytest.MonkeyPatch, offset: Callable[[int | None, int], int]) -> None:
    """After each switch timestamps have this offset: of the last one sent, if any, and the key frame's."""
    switch = LayeredConsumer.switch

    def with_offset(self: Any, number: int, timestamp: int, *times: float) -> bool:  # noqa: ANN401 - its private parts
        switches = switch(self, number, timestamp, *times)
        if switches:
            self._offset = offset(self._last_timestamp, timestamp)
        return switches

    patch.setattr(LayeredConsumer, "switch", with_offset)


def no_timestamp_offset(patch: pytest.MonkeyPatch) -> None:
    """Timestamps go out as they came."""
    _switching(patch, lambda _last, _timestamp: 0)


def timestamps_one_frame_on(patch: pytest.MonkeyPatch) -> None:
    """Each switch goes on by a frame, whatever time has gone by."""
    _switching(patch, lambda last, timestamp: 0 if last is None else last + 3000 - timestamp)


def sender_reports_unheeded(patch: pytest.MonkeyPatch) -> None:
    """Streams are brought to one clock by when packets came, reports or not."""

    def by_arrival(self: Any, now: float, _unix_now: float) -> int:  # noqa: ANN401 - its private parts
        return int(self._last_timestamp + round((now - self._last_arrival) * self.clock_rate)) & 0xFFFFFFFF

    patch.setattr(InboundStream, "timestamp_at", by_arrival)


def late_packets_of_the_new_layer(patch: pytest.MonkeyPatch) -> None:
    """What came before the key frame is sent where it comes behind it."""
    sync = SequenceMap.sync

    def deep(self: Any, first: int) -> None:  # noqa: ANN401 - its private parts
        sync(self, first)
        self._floor -= 100

    patch.setattr(SequenceMap, "sync", deep)


def late_packets_of_the_old_layer(patch: pytest.MonkeyPatch) -> None:
    """What comes of a layer that was left has no place any more."""
    patch.setattr(LayeredConsumer, "relay_late", lambda *_: False)


def nothing_of_the_old_layer_again(patch: pytest.MonkeyPatch) -> None:
    """What was sent before the switch is not known where it is asked for."""
    patch.setattr(LayeredConsumer, "past_run", lambda *_: None)


def a_number_skipped(patch: pytest.MonkeyPatch) -> None:
    """Each switch leaves a number out, as mediasoup does."""
    sync = SequenceMap.sync

    def skipping(self: Any, first: int) -> None:  # noqa: ANN401 - its private parts
        sync(self, first)
        self._base += 1

    patch.setattr(SequenceMap, "sync", skipping)


def no_wait_for_a_key_frame(patch: pytest.MonkeyPatch) -> None:
    """A switch happens with any packet of the new layer."""
    relay = LayeredProducer._relay

    def at_once(
        self: LayeredProducer, stream: InboundStream, arrival: Any, payload_type: int, number: int, _key_frame: bool  # noqa: ANN401 - handed through
    ) -> bool:  # fmt: skip
        return relay(self, stream, arrival, payload_type, number, True)

    patch.setattr(LayeredProducer, "_relay", at_once)


def requests_for_the_wrong_layer(patch: pytest.MonkeyPatch) -> None:
    """Key frames are asked of the next encoding, counted round."""
    send = SenderRequests._send_key_frame_request

    def misdirected(self: SenderRequests, producer: Producer, stream: InboundStream) -> None:
        others = [other for other in producer.streams.values() if other.encoding == (stream.encoding + 1) % 3]
        send(self, producer, others[0] if others else stream)

    patch.setattr(SenderRequests, "_send_key_frame_request", misdirected)


def temporal_wishes_unheeded(patch: pytest.MonkeyPatch) -> None:
    """All temporal layers are sent, whatever is wanted."""
    patch.setattr(LayeredConsumer, "_aim", lambda _self: None)


FAULTS = (
    Fault("no-picture-id-rewriting", no_picture_id_rewriting, "PictureID goes on"),
    Fault("no-tl0-rewriting", no_tl0_rewriting, "TL0PICIDX"),
    Fault("no-timestamp-offset", no_timestamp_offset, "timestamp goes on"),
    Fault("timestamps-one-frame-on", timestamps_one_frame_on, "timestamp goes on"),
    Fault("sender-reports-unheeded", sender_reports_unheeded, "timestamp goes on"),
    Fault("late-packets-of-the-new-layer", late_packets_of_the_new_layer, "part|two packets|back to|key frame"),
    Fault("late-packets-of-the-old-layer", late_packets_of_the_old_layer, "holes"),
    Fault("nothing-of-the-old-layer-again", nothing_of_the_old_layer_again, "holes"),
    Fault("a-number-skipped", a_number_skipped, "holes"),
    Fault("no-wait-for-a-key-frame", no_wait_for_a_key_frame, "key frame|part|two packets"),
    Fault("requests-for-the-wrong-layer", requests_for_the_wrong_layer, "ends with", receivers=1),
    Fault("temporal-wishes-unheeded", temporal_wishes_unheeded, "above T"),
)
