"""JSON has one kind of number: where an integer is wanted, 7.0 is one and 7.5 is none."""

import pytest

from labsfu.api.body import WrongShape, decode
from labsfu.wire.sfu import UpdateConsumerRequestPayload, UpdateProducerRequestPayload


@pytest.mark.parametrize("text", ["7.0", "7e0", "70e-1", "0.7e1"])
def test_a_whole_number_is_an_integer_however_it_is_written(text: str) -> None:
    body = f'{{"priority": {text}, "paused": true}}'.encode()
    assert decode(body, UpdateConsumerRequestPayload) == UpdateConsumerRequestPayload(priority=7, paused=True)


@pytest.mark.parametrize("text", ["7.5", "256.0", "0.0", "1e300"])
def test_another_number_is_of_the_wrong_shape(text: str) -> None:
    with pytest.raises(WrongShape) as refused:
        decode(f'{{"priority": {text}}}'.encode(), UpdateConsumerRequestPayload)
    assert refused.value.paths == ("$.priority",)


def test_only_what_is_wrong_without_it_is_read_so() -> None:
    assert decode(b'{"appData": {"x": 7.0}}', UpdateProducerRequestPayload).app_data == {"x": 7.0}
