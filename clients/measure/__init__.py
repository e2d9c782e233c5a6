"""What a stream of RTP says about itself, sans-IO: loss, order, repair, jitter, frames, freezes, delay.

`now` and `at` are monotonic seconds. Packets are read here and not by what sends or takes them, so that a tap judges
both ends alike.
"""
