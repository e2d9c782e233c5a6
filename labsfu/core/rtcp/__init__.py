"""RTCP packets: one file per packet type, joined by `compound`."""
