"""Pictures of the screen, compared with those that somebody looked at and found good.

`LABSFU_NEW_PICTURES=1 pytest tests/tui` takes them anew; look at what git shows then. (pytest-textual-snapshot would
compare likewise; its 1.1 wants syrupy 4.8, and that pytest 8.)
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from tui.app import Dashboard

PICTURES = Path(__file__).parents[1] / "data" / "tui" / "pictures"


def check_picture(app: Dashboard, name: str, failures: Path) -> None:
    """The screen is as in the picture of that name; if not, how it is goes into `failures`."""
    taken = _plain(app.export_screenshot(title="labsfu", simplify=True))
    kept = PICTURES / f"{name}.svg"
    if os.environ.get("LABSFU_NEW_PICTURES"):
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(taken, encoding="utf-8")
    if not kept.exists() or kept.read_text(encoding="utf-8") != taken:
        seen = failures / f"{name}.svg"
        seen.write_text(taken, encoding="utf-8")
        raise AssertionError(f"the screen is not as in {kept}; it is as in {seen}")


def _plain(svg: str) -> str:
    """Without fonts from the network, and without the number that tells pictures on one page apart."""
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    svg = svg.replace("Fira Code", "DejaVu Sans Mono")
    return re.sub(r"terminal-\d+", "terminal", svg)
