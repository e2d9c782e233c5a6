"""Benchmarks: CPU time, and ratios to a calibration loop in the same run. `make bench`."""
