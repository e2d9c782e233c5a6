"""`labsfu doctor`: what of this machine and its settings stands in the way, and how to mend it."""

from labsfu.doctor.examine import run_doctor

__all__ = ["run_doctor"]
