"""What an engine reports of itself: counters looked at four times a second, and the payloads of `labsfu.wire.stats`."""
