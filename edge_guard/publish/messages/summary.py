"""What a stream saw in one window."""

from __future__ import annotations

import msgspec

from edge_guard.publish.messages.accuracy import AccuracyCounts
from edge_guard.publish.messages.stamp import Stamp


class Moments(msgspec.Struct, frozen=True):
    """Mergeable moments of one statistic (Chan, Golub & LeVeque 1979)."""

    n: int
    mean: float
    m2: float
    minimum: float
    maximum: float


class Summary(Stamp, frozen=True, kw_only=True):
    """What one stream saw in one window; windows merge exactly in any order."""

    sequence: int
    stream: str
    bundle: str
    window: int
    """Number of the window in this boot, from 0."""
    frames: int
    verdicts: dict[str, int]
    labels: dict[str, int]
    reasons: dict[str, int]
    """Leading reasons by guard."""
    statistics: dict[str, Moments]
    dropped_at_capture: dict[str, int]
    dropped_from_spool: dict[str, int]
    """Messages given up under quota since the spool exists, by ``kind/cause``."""
    histograms: dict[str, tuple[int, ...]] = msgspec.field(default_factory=dict)
    """Integer counts in the fixed bins of `edge_guard.drift.histogram`."""
    bins: int = 0
    """Version of those bins; 0 where there are none."""
    references: dict[str, tuple[int, ...]] = msgspec.field(default_factory=dict)
    """The same histograms of the bundle's references, in its first window and now and then."""
    accuracy: AccuracyCounts | None = None
    """None where the bundle knows nothing of accuracy."""
    product: str = ""
    """The product that was seen; empty on streams without products. A stream with products has one
    summary a product and window, and one with an empty ``bundle`` for frames of none of them."""
