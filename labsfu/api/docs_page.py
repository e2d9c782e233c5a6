"""The OpenAPI document as one HTML page: no script, no other file, light and dark as the reader's system is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import escape
from typing import Any

from labsfu.api.openapi import Json

_STYLE = """
:root { color-scheme: light dark; --line: #d0d7de; --soft: #f6f8fa; --dim: #57606a; --link: #0550ae; }
@media (prefers-color-scheme: dark) { :root { --line: #30363d; --soft: #161b22; --dim: #9198a1; --link: #79c0ff; } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
a { color: var(--link); }
code, pre, summary { font-family: ui-monospace, monospace; font-size: 13px; }
pre { background: var(--soft); border: 1px solid var(--line); border-radius: 6px; padding: .7rem; overflow-x: auto; }
details { border: 1px solid var(--line); border-radius: 6px; margin: .4rem 0; }
summary { padding: .45rem .7rem; cursor: pointer; }
details > div { padding: 0 .9rem .7rem; }
summary span { font-family: system-ui, sans-serif; color: var(--dim); margin-left: .6rem; }
table { border-collapse: collapse; width: 100%; }
td, th { border-bottom: 1px solid var(--line); padding: .25rem .5rem; text-align: left; vertical-align: top; }
"""


def render_page(document: Json) -> str:
    """The page."""
    info, schemas = document["info"], document["components"]["schemas"]
    parts = [
        f"<h1>{escape(info['title'])} {escape(info['version'])}</h1>",
        "".join(f"<p>{_text(part)}</p>" for part in info["description"].strip().split("\n\n")),
        '<p><a href="openapi.json">openapi.json</a> says the same to programs. ',
        '<a href="#sockets">Sockets</a> · <a href="#schemas">Schemas</a></p>',
        *_operations(document["paths"]),
        '<h2 id="sockets">Sockets</h2>',
        *(_details(f"WS {path}", socket["summary"], _socket(socket)) for path, socket in _sorted(document)),
        '<h2 id="schemas">Schemas</h2>',
        *(_schema(name, schema) for name, schema in schemas.items()),
    ]
    head = f"<title>{escape(info['title'])} API</title><style>{_STYLE}</style>"
    viewport = '<meta name="viewport" content="width=device-width, initial-scale=1">'
    return f'<!doctype html><html lang="en"><meta charset="utf-8">{viewport}{head}<body>{"".join(parts)}</body></html>'


def _sorted(document: Json) -> list[tuple[str, Json]]:
    return sorted(document["x-websockets"].items())


def _operations(paths: Json) -> Iterator[str]:
    """The operations, under a heading for each tag, in the table's order."""
    tag = None
    for path, methods in paths.items():
        for method, operation in methods.items():
            if operation["tags"][0] != tag:
                tag = operation["tags"][0]
                yield f"<h2>{escape(tag)}</h2>"
            yield _details(f"{method.upper()} {path}", operation["summary"], _operation(operation))


def _details(title: str, summary: str, inner: str) -> str:
    return f"<details><summary>{escape(title)}<span>{_text(summary)}</span></summary><div>{inner}</div></details>"


def _operation(operation: Json) -> str:
    parts = [_description(operation), _parameters(operation["parameters"])]
    if "requestBody" in operation:
        body = operation["requestBody"]
        needed = "" if body["required"] else " (optional)"
        parts.append(f"<p>Body{needed}: {_type(body['content']['application/json']['schema'])}</p>")
    parts.append("<table><tr><th>status<th>answer</tr>")
    for status, response in operation["responses"].items():
        (content_type, content), *_ = response["content"].items()
        slugs = response.get("x-problems")
        said = _text(response["description"]) if slugs else f"{_type(content['schema'])} as {escape(content_type)}"
        parts.append(f"<tr><td>{status}<td>{said}</tr>")
    return "".join(parts) + "</table>"


def _description(operation: Json) -> str:
    paragraphs = operation.get("description", "").split("\n\n")
    return "".join(f"<p>{_text(paragraph)}</p>" for paragraph in paragraphs if paragraph)


def _socket(socket: Json) -> str:
    parts = [_parameters(socket["parameters"]), f"<p>The server says {_type(socket['serverMessages'])}</p>"]
    if socket["clientMessages"] is not None:
        parts.append(f"<p>The client says {_type(socket['clientMessages'])}</p>")
    rows = "".join(f"<tr><td>{s}<td>{_text(r['description'])}</tr>" for s, r in socket["refusals"].items())
    return "".join(parts) + f"<table><tr><th>status<th>refused before it opens</tr>{rows}</table>"


def _parameters(parameters: list[Json]) -> str:
    if not parameters:
        return ""
    rows = "".join(
        f"<tr><td><code>{escape(p['name'])}</code><td>{p['in']}{'' if p['required'] else ', optional'}"
        f"<td>{_type(p['schema'])}</tr>"
        for p in parameters
    )
    return f"<table><tr><th>parameter<th>where<th>form</tr>{rows}</table>"


def _schema(name: str, schema: Json) -> str:
    told = schema.get("description", "").partition("\n")[0]
    text = escape(json.dumps(schema, indent=2))
    linked = re.sub(r"#/components/schemas/([\w.]+)", r'<a href="#\1">\1</a>', text)
    # A link to what is inside a closed `details` opens it, one to the `details` does not.
    title = f"<summary>{escape(name)}<span>{_text(told)}</span></summary>"
    return f'<details>{title}<div id="{escape(name)}"><pre>{linked}</pre></div></details>'


def _type(schema: Json) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return ", ".join(_type(one) for one in schema["anyOf"])
    limits = (f"{key} {_plain(value)}" for key, value in schema.items() if key not in {"type", "title", "description"})
    return " ".join([f"<code>{escape(str(schema.get('type', 'any')))}</code>", escape(", ".join(limits))]).strip()


def _plain(value: Any) -> str:  # noqa: ANN401 - whatever JSON has
    return value if isinstance(value, str) else json.dumps(value)


def _text(markdown: str) -> str:
    """Escaped, with `code`."""
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(markdown))
