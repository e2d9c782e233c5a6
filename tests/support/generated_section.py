"""Parts of a document that programs write, between markers that a reader of the page does not see."""

from __future__ import annotations

from pathlib import Path


def markers(name: str) -> tuple[str, str]:
    """The lines before and after a generated section."""
    return f"<!-- {name}: generated, do not edit -->", f"<!-- end of {name} -->"


def replace_section(document: str, name: str, text: str) -> str:
    """The document with `text` as its section `name`.

    Raises:
        ValueError: it has not both markers, each once and in order.
    """
    begin, end = markers(name)
    if document.count(begin) != 1 or document.count(end) != 1 or document.index(begin) > document.index(end):
        raise ValueError(f"no section '{name}'")
    before, rest = document.split(begin)
    after = rest.split(end)[1]
    return f"{before}{begin}\n{text.strip()}\n{end}{after}"


def write_section(path: Path, name: str, text: str) -> None:
    """Replace the section of the document at `path`; see `replace_section`."""
    path.write_text(replace_section(path.read_text(encoding="utf-8"), name, text), encoding="utf-8")
