"""From what consumers can have to what another router gets."""

from __future__ import annotations

from labsfu.core import uris
from labsfu.core.ortc.consume import numbered_encodings, without_feedback
from labsfu.core.ortc.mime import is_rtx
from labsfu.core.ortc.supported import CCM_FIR, NACK, NACK_PLI
from labsfu.wire.rtp import RtpParameters

_HOP_BY_HOP = frozenset({uris.MID, uris.ABS_SEND_TIME, uris.TRANSPORT_WIDE_CC})


def get_pipe_consumer_rtp_parameters(
    consumable: RtpParameters, *, ssrc: int, rtx_ssrc: int, enable_rtx: bool
) -> RtpParameters:
    """Every encoding under a new ssrc, key frame requests as the only feedback, no mid and no bandwidth estimation.

    Args:
        consumable: of the producer.
        ssrc: of the first encoding; the others count up from it.
        rtx_ssrc: the same for retransmissions.
        enable_rtx: keep `nack` and RTX codecs, as far as the router offers them.
    """
    kept = {NACK_PLI, CCM_FIR, NACK} if enable_rtx else {NACK_PLI, CCM_FIR}
    codecs = tuple(
        without_feedback(codec, frozenset(codec.rtcp_feedback) - kept)
        for codec in consumable.codecs
        if enable_rtx or not is_rtx(codec)
    )
    repaired_by = rtx_ssrc if any(is_rtx(codec) for codec in codecs) else None
    return RtpParameters(
        codecs=codecs,
        header_extensions=tuple(item for item in consumable.header_extensions if item.uri not in _HOP_BY_HOP),
        encodings=numbered_encodings(consumable.encodings, ssrc, repaired_by),
        rtcp=consumable.rtcp,
    )
