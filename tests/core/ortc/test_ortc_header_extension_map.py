from __future__ import annotations

from labsfu.core import uris
from labsfu.core.ortc.extensions import HeaderExtensionMap, consumer_extension_ids, producer_extension_ids
from tests.core.ortc.material import codec, sent

PRODUCER = sent(
    codec("video/VP8", 96), extensions=((uris.MID, 4), (uris.RTP_STREAM_ID, 10), (uris.VIDEO_ORIENTATION, 13))
)
CONSUMER = sent(
    codec("video/VP8", 101), extensions=((uris.MID, 1), (uris.ABS_SEND_TIME, 4), (uris.VIDEO_ORIENTATION, 11))
)


def test_each_side_lists_its_own_ids() -> None:
    assert producer_extension_ids(PRODUCER) == {uris.MID: 4, uris.RTP_STREAM_ID: 10, uris.VIDEO_ORIENTATION: 13}
    assert consumer_extension_ids(CONSUMER) == [(uris.MID, 1), (uris.ABS_SEND_TIME, 4), (uris.VIDEO_ORIENTATION, 11)]


def test_the_map_pairs_ids_by_uri_in_the_consumers_order() -> None:
    map_ = HeaderExtensionMap.between(PRODUCER, CONSUMER)
    assert map_.shared == ((uris.MID, 4, 1), (uris.VIDEO_ORIENTATION, 13, 11))
    assert map_.outgoing[1] == (uris.ABS_SEND_TIME, 4)
    assert map_.incoming[uris.RTP_STREAM_ID] == 10
