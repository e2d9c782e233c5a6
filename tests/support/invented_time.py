"""A clock that only sleeping moves, for tracks whose sender and receiver share it."""


class InventedTime:
    """Seconds; call it to read it.

    Args:
        now: what it begins at.
    """

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Move on at once."""
        self.now += max(0.0, seconds)
