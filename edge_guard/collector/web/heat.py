"""The heat of a flagged frame as a layer over its picture."""

from __future__ import annotations

from edge_guard.publish.messages import HEAT_UNIT, HeatGrid, ImageReference

_FAINT, _STRONG = 0.5, 2.0
"""Heat that begins to show, and from which on it looks the same."""
_AMBER, _MAGENTA = (255, 190, 0), (255, 0, 150)
"""Also told apart by their lightness."""
_OPACITY = 0.7


def heat_layer(heat: HeatGrid) -> str:
    """Return the SVG of the cells; those above the limit are framed.

    It holds numbers only: nothing that a device writes becomes markup.
    """
    cells = [
        _cell(i % heat.width, i // heat.width, value / HEAT_UNIT)
        for i, value in enumerate(heat.cells)
        if value > _FAINT * HEAT_UNIT
    ]
    return (
        f'<svg viewBox="0 0 {heat.width} {heat.height}" preserveAspectRatio="none" '
        f'role="img" aria-label="heatmap">{"".join(cells)}</svg>'
    )


def heat_place(heat: HeatGrid, image: ImageReference) -> str:
    """Return the CSS that lays the layer over its picture."""
    x, y, width, height = heat.area
    across, down = max(1, image.width_px), max(1, image.height_px)
    return (
        f"left: {x / across:.3%}; top: {y / down:.3%}; "
        f"width: {width / across:.3%}; height: {height / down:.3%}"
    )


def _cell(x: int, y: int, value: float) -> str:
    share = min((value - _FAINT) / (_STRONG - _FAINT), 1.0)
    red, green, blue = (
        round((1 - share) * a + share * m) for a, m in zip(_AMBER, _MAGENTA, strict=True)
    )
    name = ' class="hot"' if value > 1.0 else ""
    return (
        f'<rect x="{x}" y="{y}" width="1" height="1" fill="rgb({red},{green},{blue})" '
        f'fill-opacity="{_OPACITY * share**0.5:.2f}"{name}/>'
    )
