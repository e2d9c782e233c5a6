"""What holds for all tests."""

from __future__ import annotations

import os

# A server that a test starts forwards media in its own process: to have a child for it would cost each of them half a
# second. What is about workers says how many it wants.
os.environ["LABSFU_WORKERS"] = "0"
