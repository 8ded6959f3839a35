"""One HTML file that needs nothing else: the frame of every report."""

from __future__ import annotations

from html import escape
from pathlib import Path

from edge_guard.errors import ConfigError

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #111; background: #fff; margin: 2rem auto;
       max-width: 62rem; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
table { border-collapse: collapse; }
td, th { padding: .25rem .7rem; text-align: right; border-bottom: 1px solid #ccc; }
td:first-child, th:first-child { text-align: left; }
figure { margin: 0; } figcaption { font-size: .8rem; overflow-wrap: anywhere; }
.charts, .pictures { display: flex; flex-wrap: wrap; gap: 1rem; }
.charts figure { flex: 1 1 26rem; max-width: 32rem; } .pictures figure { width: 9.5rem; }
.pictures img { width: 100%; border: 1px solid #999; image-rendering: pixelated; }
svg { width: 100%; } svg text { font: 12px system-ui, sans-serif; fill: #222; }
svg .mid { text-anchor: middle; } svg .end { text-anchor: end; }
svg .grid { stroke: #ddd; } svg .axis { stroke: #333; fill: none; }
svg .curve { fill: none; stroke-width: 2; }
"""


def write_page(path: Path, title: str, body: str) -> None:
    """Write a page.

    Parameters
    ----------
    path : Path
    title : str
        Plain text; also its heading.
    body : str
        HTML.

    Raises
    ------
    ConfigError
        The file cannot be written.
    """
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n"
        f"<body><h1>{escape(title)}</h1>\n{body}\n</body></html>\n"
    )
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"cannot write {path}: {error.strerror}", "name a file in a folder that can be written"
        ) from None
