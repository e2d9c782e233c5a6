"""docs/rfc.md: which RFC section lives in which file and is shown by which test; made from markers and docstrings.

Usage: python -m tests.support.rfc_index --write docs/rfc.md | --check docs/rfc.md
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SECTION = re.compile(r"RFC (\d{3,5})((?: (?:[A-Z]|\d+)(?:\.\d+)*(?=[\s,;.:)]|$))?(?:, (?:[A-Z]|\d+)\.\d+(?:\.\d+)*)*)")

HEAD = """# RFC sections

Made by `make docs` from the docstrings of the code (file) and the `rfc` markers of the tests (test); do not edit.

| section | file | test |
|---|---|---|
"""


def sections_in(text: str) -> Iterator[str]:
    """Every "RFC 3550 6.4.1" in a text; "RFC 3550 A.1, A.3" gives both."""
    for match in SECTION.finditer(text):
        parts = [part.strip() for part in match.group(2).split(",") if part.strip()]
        for part in parts or [""]:
            yield f"RFC {match.group(1)} {part}".rstrip(". ")


def marked(node: ast.AST) -> Iterator[str]:
    """The sections in every `pytest.mark.rfc(...)` below a node."""
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "rfc":
            for argument in call.args:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield argument.value


def index() -> str:
    """The whole document."""
    files: dict[str, set[str]] = defaultdict(set)
    tests: dict[str, set[str]] = defaultdict(set)
    for package in ("labsfu", "clients", "scenarios"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for section in sections_in(path.read_text(encoding="utf-8")):
                files[section].add(path.relative_to(ROOT).as_posix())
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for section in marked(ast.parse(path.read_text(encoding="utf-8"))):
            tests[section].add(path.relative_to(ROOT).as_posix())
    return HEAD + "".join(
        f"| {section} | {_cell(files[section])} | {_cell(tests[section])} |\n"
        for section in sorted({*files, *tests}, key=_order)
    )


def _cell(paths: set[str]) -> str:
    return "<br>".join(f"`{path}`" for path in sorted(paths))


def _order(section: str) -> tuple[int, str, list[tuple[int, str]]]:
    """RFCs by number and section, then drafts by name."""
    match = re.fullmatch(r"RFC (\d+)(?: (.*))?", section)
    number, rest = (int(match[1]), match[2] or "") if match else (10**6, section)
    name = "" if match else section
    return number, name, [(int(part), "") if part.isdigit() else (10**6, part) for part in rest.split(".") if part]


def main(arguments: list[str]) -> int:
    """Write the document, or tell whether it is up to date."""
    mode, target = arguments
    text = index()
    if mode == "--write":
        Path(target).write_text(text, encoding="utf-8")
        return 0
    if Path(target).read_text(encoding="utf-8") != text:
        sys.stderr.write(f"{target} is out of date: run `make docs`\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
