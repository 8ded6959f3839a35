"""One HTML file that needs nothing else: the frame of every report, its tables and its pictures."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from edge_guard.backends.preprocess import encode_jpeg, thumbnail
from edge_guard.errors import ConfigError
from edge_guard.types import Box, Image

PICTURE_PX = 160
"""Longest side of a picture in a report."""
_FRAME = (0, 215, 255)
"""Gold, in BGR: told apart from most parts, by colour-blind people too."""

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #111; background: #fff; margin: 2rem auto;
       max-width: 62rem; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; } h3 { font-size: 1rem; }
table { border-collapse: collapse; }
td, th { padding: .25rem .7rem; text-align: right; border-bottom: 1px solid #ccc;
         vertical-align: top; }
td:first-child, th:first-child { text-align: left; }
table.words td, table.words th { text-align: left; overflow-wrap: anywhere; }
table.words td:first-child { min-width: 11rem; }
figure { margin: 0; } figcaption { font-size: .8rem; overflow-wrap: anywhere; }
.charts, .pictures { display: flex; flex-wrap: wrap; gap: 1rem; align-items: flex-start; }
.charts figure { flex: 1 1 26rem; max-width: 32rem; } .pictures figure { width: 9.5rem; }
.pictures img { width: 100%; border: 1px solid #999; image-rendering: pixelated; }
.row { display: flex; flex-wrap: wrap; column-gap: 3rem; }
.note { border-left: .25rem solid #E69F00; padding: .1rem .8rem; }
.accept, .review, .invalid { font-weight: 600; }
.accept { color: #00664B; } .review { color: #9A4500; } .invalid { color: #8A2A67; }
.signed td { min-width: 12rem; height: 2.2rem; }
svg { width: 100%; } svg text { font: 12px system-ui, sans-serif; fill: #222; }
svg .mid { text-anchor: middle; } svg .end { text-anchor: end; }
svg .grid { stroke: #ddd; } svg .axis { stroke: #333; fill: none; }
svg .curve { fill: none; stroke-width: 2; }
@media screen and (prefers-color-scheme: dark) {
  body { color: #e6e6e6; background: #15181c; } td, th { border-color: #444; }
  .accept { color: #5fd0a8; } .review { color: #f5a45d; } .invalid { color: #e88ac4; }
  svg { background: #fff; }
}
@media print {
  @page { size: A4; margin: 15mm 15mm 18mm;
          @bottom-left { content: "FOOT"; font: 8pt system-ui, sans-serif; }
          @bottom-right { content: counter(page) " / " counter(pages);
                          font: 8pt system-ui, sans-serif; } }
  body { margin: 0; padding: 0; max-width: none; font-size: 10.5pt; }
  .row, .pictures { orphans: 1; widows: 1; }
  h2, h3, p:has(+ .charts) { break-after: avoid; } p, li { orphans: 3; widows: 3; }
  figure, tr, .note li, .row section { break-inside: avoid; }
  .charts figure { flex: 0 1 47%; }
  .row, .pictures { display: block; }
  .pictures figure { display: inline-block; vertical-align: top; width: 25mm; margin: 0 3mm 0 0; }
  .row section { display: inline-block; vertical-align: top; margin-right: 3mm; }
  img, svg { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""


def write_page(path: Path, title: str, body: str, foot: str = "") -> None:
    """Write a page.

    Parameters
    ----------
    path : Path
    title : str
        Plain text; also its heading.
    body : str
        HTML.
    foot : str
        Plain text at the foot of each printed page.

    Raises
    ------
    ConfigError
        The file cannot be written.
    """
    safe = re.sub(r"[^\w .,:@–-]", "_", foot)  # it stands in a style sheet
    style = STYLE.replace("FOOT", safe)
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{escape(title)}</title><style>{style}</style></head>\n"
        f"<body><h1>{escape(title)}</h1>\n{body}\n</body></html>\n"
    )
    try:
        path.write_text(page, encoding="utf-8", errors="replace")  # file names may hold any bytes
    except OSError as error:
        raise ConfigError(
            f"cannot write {path}: {error.strerror}", "name a file in a folder that can be written"
        ) from None


def table(head: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "") -> str:
    """Return a table of plain text; ``kind`` "words" sets its columns flush left."""
    cells = [f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows]
    titles = "".join(f"<th>{escape(word)}</th>" for word in head)
    top = [f"<tr>{titles}</tr>"] if titles else []
    return "\n".join([f'<table class="{kind}">', *top, *cells, "</table>"])


def figure(image: str, words: str) -> str:
    """Return an element (`picture` or SVG) with a caption in plain text."""
    return f"<figure>{image}<figcaption>{escape(words)}</figcaption></figure>"


def picture(image: Image, boxes: Sequence[Box] = ()) -> str:
    """Return an image element with a small copy of a picture, and frames round places in it."""
    small = thumbnail(image, PICTURE_PX)
    rows, columns = small.shape[:2]
    scale = columns / image.shape[1]
    for x, y, width, height in boxes:  # one beyond the picture's edge is shown at the edge
        left, right = (_within(value * scale, columns) for value in (x, x + width))
        top, bottom = (_within(value * scale, rows) for value in (y, y + height))
        inside = small[top : bottom + 1, left : right + 1]
        inside[[0, -1]] = _FRAME if small.ndim == 3 else max(_FRAME)
        inside[:, [0, -1]] = _FRAME if small.ndim == 3 else max(_FRAME)
    return embedded(encode_jpeg(small), "image/jpeg")


def _within(place: float, length: int) -> int:
    return min(max(0, int(place)), length - 1)


def embedded(data: bytes, kind: str) -> str:
    """Return an image element with an encoded picture of a media type."""
    return f'<img alt="" src="data:{kind};base64,{base64.b64encode(data).decode()}">'
