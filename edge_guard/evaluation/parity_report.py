"""The comparison with production as one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path

import numpy as np

from edge_guard.bundle import Bundle
from edge_guard.drift.histogram import DEVIATION_EDGES
from edge_guard.evaluation.page import embedded, figure, picture, write_page
from edge_guard.evaluation.parity import Difference, Parity
from edge_guard.evaluation.svg import COLORS, Axis, Line, chart

_GOLDEN = 6


def write_parity(path: Path, bundle: Bundle, found: Parity) -> None:
    """Write the report.

    Raises
    ------
    ConfigError
        The file cannot be written.
    """
    title = f"Production against the references of {bundle.id}"
    body = "\n".join(_body(bundle, found))
    write_page(path, title, body)


def sentences(found: Parity) -> Iterator[str]:
    """Yield what was found, most important first."""
    share = found.flagged / max(found.n, 1)
    stake = "is at stake" if found.at_stake else "shows no sign of being at stake"
    yield (
        f"{share:.1%} of {found.n} images are flagged, {found.promised:.2%} were promised: the "
        f"model's accuracy {stake}"
    )
    if found.training:
        yield (
            f"compared with {found.training} training images, of which "
            f"{found.training_flagged / found.training:.1%} are flagged"
        )
    if found.cause:
        yield f"as a whole it is like {found.cause}"
    yield from (d.words for d in found.differences if d.differs)
    yield from found.remarks
    if not any(d.differs for d in found.differences) and not found.remarks:
        yield f"production looks like the {'training images' if found.training else 'references'}"


def _body(bundle: Bundle, found: Parity) -> Iterator[str]:
    yield "<ul>" + "".join(f"<li>{escape(said)}</li>" for said in sentences(found)) + "</ul>"
    if found.reasons:
        told = ", ".join(f"{guard} {n}" for guard, n in found.reasons.most_common(6))
        yield f"<p>Leading reasons of flagged images: {escape(told)}.</p>"
    yield '<h2>Channels, furthest first</h2><div class="charts">'
    yield from (f"<figure>{_chart(d)}</figure>" for d in found.differences)
    yield "</div>"
    yield '<h2>References</h2><div class="pictures">'
    for golden in bundle.manifest.golden[:_GOLDEN]:
        yield figure(embedded(bundle.pictures[golden.entry], "image/png"), "")
    yield '</div><h2>Strangest production images</h2><div class="pictures">'
    for source, image in found.strangest:
        yield figure(picture(image), Path(source).name)
    yield "</div>"


def _chart(difference: Difference) -> str:
    """Return the two histograms of one channel, per standard deviation of the references."""
    edges = np.array([-12.0, *DEVIATION_EDGES, 12.0])
    widths = np.diff(edges)
    lines = []
    for name, counts, color in (
        ("references", difference.usual, COLORS[0]),
        ("production", difference.counts, COLORS[1]),
    ):
        if counts:
            density = np.array(counts) / max(sum(counts), 1) / widths
            x = np.repeat(edges, 2)[1:-1]
            lines.append(Line(name, x, np.repeat(density, 2), color, dashed=name == "references"))
    highest = max((float(line.y.max()) for line in lines), default=1.0)
    mark = "differs" if difference.differs else "as usual"
    label = f"{difference.name}, σ ({mark}: {difference.words})"
    return chart(difference.name, Axis(label, -12, 12), Axis("density", 0, 1.1 * highest), lines)
