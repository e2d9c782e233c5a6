"""The settings: whether they can be read, and what becomes of them."""

from __future__ import annotations

from collections.abc import Iterator

from labsfu.doctor.finding import Finding, Patient, fail, ok


def check(patient: Patient) -> Iterator[Finding]:
    """One line."""
    if patient.wrong is not None:
        yield fail("settings", patient.wrong, "correct it; everything below is about the default settings")
        return
    config = patient.config
    addresses = ", ".join(config.media.addresses)
    scheme = "http" if config.cert is None else "https"
    port = config.port or "any free port"
    media: int | str = config.media.port or "any free port"
    if config.media.port and config.worker_count > 1:
        media = f"{media} to {config.media.of_worker(config.worker_count - 1).port}"
    yield ok("settings", f"{scheme} on {config.host} port {port}, media on {addresses} port {media}")
