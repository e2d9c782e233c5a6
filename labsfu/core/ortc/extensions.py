"""Which header extension element of a producer becomes which of a consumer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from labsfu.wire.rtp import RtpParameters


def producer_extension_ids(parameters: RtpParameters) -> dict[str, int]:
    """The ids in the producer's packets, by uri."""
    return {extension.uri: extension.id for extension in parameters.header_extensions}


def consumer_extension_ids(parameters: RtpParameters) -> list[tuple[str, int]]:
    """(uri, id in the consumer's packets), in the order of its parameters."""
    return [(extension.uri, extension.id) for extension in parameters.header_extensions]


@dataclass(frozen=True, slots=True)
class HeaderExtensionMap:
    """What a forwarder needs to rewrite header extensions.

    Attributes:
        incoming: uri -> id in the producer's packets.
        outgoing: (uri, id in the consumer's packets); whether the value is copied or written anew is the forwarder's
            to know (mid, abs-send-time and transport-cc are the sender's own).
    """

    incoming: Mapping[str, int]
    outgoing: tuple[tuple[str, int], ...]

    @classmethod
    def between(cls, producer: RtpParameters, consumer: RtpParameters) -> HeaderExtensionMap:
        """The map from a producer's parameters to a consumer's."""
        return cls(producer_extension_ids(producer), tuple(consumer_extension_ids(consumer)))

    @property
    def shared(self) -> tuple[tuple[str, int, int], ...]:
        """(uri, producer's id, consumer's id) of the extensions that both have."""
        return tuple((uri, self.incoming[uri], id_) for uri, id_ in self.outgoing if uri in self.incoming)
