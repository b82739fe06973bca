"""The pages of the service: `/`, where people drop files, and `/docs`, how programs call it.

Nothing in them comes from elsewhere.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.responses import Response

__all__ = ["PATHS", "add_pages", "documentation"]

_FOLDER = Path(__file__).parent / "web"
_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
}
PATHS = (*_FILES, "/docs")
"""What this file answers."""

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data:; media-src blob:; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

_EXAMPLES = {
    "/decode": "curl -F file=@marked.flac {base}/decode\ncurl --data-binary @marked.flac {base}/decode",
    "/embed": (
        "curl -F file=@song.flac -F message='licensed to A' {base}/embed -o marked.flac\n"
        "curl --data-binary @song.flac '{base}/embed?message=licensed%20to%20A' -D - -o marked.flac"
    ),
}


def add_pages(app: FastAPI) -> None:
    """Let an application answer with the pages; they are no part of its OpenAPI."""

    def add(path: str, name: str, kind: str) -> None:
        content = (_FOLDER / name).read_bytes()

        @app.get(path, include_in_schema=False)
        async def page() -> Response:
            return Response(content, media_type=kind, headers=_HEADERS)

    for path, (name, kind) in _FILES.items():
        add(path, name, kind)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        text = documentation(app.openapi())
        return Response(text, media_type="text/html; charset=utf-8", headers=_HEADERS)


def documentation(described: dict[str, Any]) -> str:
    """A page of how to call the service.

    Args:
        described: its OpenAPI document.

    Returns:
        HTML.
    """
    parts = []
    for path, methods in described["paths"].items():
        for method, call in methods.items():
            parts.append(f"<h2><code>{method.upper()} {escape(path)}</code></h2>")
            parts.append(f"<p>{escape(call.get('description', ''))}</p>")
            if path in _EXAMPLES:
                parts.append(f"<pre>{escape(_EXAMPLES[path].format(base='http://127.0.0.1:8000'))}</pre>")
            rows = "".join(_row(p["name"], _kind(p["schema"])) for p in call.get("parameters", ()))
            if rows:
                parts.append(f"<table><tr><th>query or field</th><th>is</th></tr>{rows}</table>")
            answers = "".join(
                _row(status, answer.get("description", "")) for status, answer in call["responses"].items()
            )
            parts.append(f"<table><tr><th>status</th><th>means</th></tr>{answers}</table>")
    title = f"{described['info']['title']} {described['info']['version']}"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)}: how to call it</title><link rel="stylesheet" href="page.css">'
        '<link rel="icon" href="data:,"></head><body>'
        f"<h1>{escape(title)}</h1><p>An upload is the file itself, or a form with the field "
        '<code>file</code>. Every answer but 200 is <code>{"error": "..."}</code>. '
        '<a href="./">The page for people</a> · '
        f'<a href="openapi.json">OpenAPI</a></p>{"".join(parts)}</body></html>'
    )


def _row(name: str, text: str) -> str:
    return f"<tr><td><code>{escape(name)}</code></td><td>{escape(text)}</td></tr>"


def _kind(schema: dict[str, Any]) -> str:
    """What a parameter may be, in a few words."""
    if "anyOf" in schema:
        return _kind(next((s for s in schema["anyOf"] if s.get("type") != "null"), {}))
    if "enum" in schema:
        return f"{', '.join(schema['enum'])}; {schema.get('default', '')} by default"
    limits = (
        f", {schema.get('minLength', 0)} to {schema['maxLength']} characters" if "maxLength" in schema else ""
    )
    return f"{schema.get('type', 'text')}{limits}"
