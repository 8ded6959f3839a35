"""What a stream saw in one window, in numbers that merge exactly across windows and devices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from types import MappingProxyType

import numpy as np

from edge_guard.drift.accuracy import AcceptedBins
from edge_guard.drift.histogram import DEVIATION, Counts, Histograms
from edge_guard.manifest import AccuracySpec
from edge_guard.publish.messages import AccuracyCounts, Moments
from edge_guard.types import Result

NONE: Mapping[str, float] = MappingProxyType({})


def merge_moments(a: Moments, b: Moments) -> Moments:
    """Return the moments of two samples together.

    With δ = mean_b − mean_a and n = n_a + n_b: mean = mean_a + δ·n_b/n and
    m2 = m2_a + m2_b + δ²·n_a·n_b/n. Commutative and associative up to rounding.

    References
    ----------
    Chan, Golub & LeVeque 1979, "Updating Formulae and a Pairwise Algorithm for Computing Sample
    Variances", eq. 2.1.
    """
    if a.n == 0 or b.n == 0:
        return b if a.n == 0 else a
    n = a.n + b.n
    delta = b.mean - a.mean
    return Moments(
        n=n,
        mean=a.mean + delta * b.n / n,
        m2=a.m2 + b.m2 + delta * delta * a.n * b.n / n,
        minimum=min(a.minimum, b.minimum),
        maximum=max(a.maximum, b.maximum),
    )


class Track:
    """Moments of several statistics that come together, updated one frame at a time.

    Parameters
    ----------
    names : tuple of str
        Their names, in the order of the values.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self._n = np.zeros(len(names), np.int64)
        self._mean, self._m2 = np.zeros(len(names)), np.zeros(len(names))
        self._minimum, self._maximum = np.full(len(names), np.inf), np.full(len(names), -np.inf)

    def add(self, values: Iterable[float]) -> None:
        """Take one frame's values in; those that are not finite are left out."""
        x = np.fromiter(values, np.float64, len(self._names))
        finite = np.isfinite(x)
        x = np.where(finite, x, self._mean)
        self._n += finite
        delta = x - self._mean
        self._mean += delta / np.maximum(self._n, 1)
        self._m2 += delta * (x - self._mean)
        np.minimum(self._minimum, x, out=self._minimum, where=finite)
        np.maximum(self._maximum, x, out=self._maximum, where=finite)

    def moments(self) -> dict[str, Moments]:
        """Return the moments by name, without statistics that had no finite value."""
        rows = zip(
            self._names, self._n, self._mean, self._m2, self._minimum, self._maximum, strict=True
        )
        return {
            name: Moments(int(n), float(mean), float(m2), float(low), float(high))
            for name, n, mean, m2, low, high in rows
            if n
        }


class Window:
    """Counts and moments of the frames of one stream between two summaries.

    Parameters
    ----------
    accuracy : AccuracySpec, optional
        How the bundle estimates accuracy.

    Attributes
    ----------
    frames : int
    verdicts, labels, reasons : Counter of str
        ``reasons`` counts leading reasons by guard.
    """

    def __init__(self, accuracy: AccuracySpec | None = None) -> None:
        self.frames = 0
        self.verdicts: Counter[str] = Counter()
        self.labels: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self._tracks: dict[tuple[str, ...], Track] = {}
        self._histograms = Histograms()
        self._accepted = AcceptedBins(accuracy) if accuracy else None

    def add(
        self,
        result: Result,
        statistics: Mapping[str, float],
        deviations: Mapping[str, float] = NONE,
    ) -> None:
        """Take one frame in.

        Parameters
        ----------
        result : Result
            Its scores, confidence and p-value are followed as ``score.NAME``, ``confidence``
            and ``p_value``.
        statistics : mapping of str to float
            The image's, followed as ``image.NAME``; empty where there was no usable image.
        deviations : mapping of str to float
            Of the drift monitors' channels from the references, in standard deviations, followed
            and counted as ``drift.NAME``.
        """
        self.frames += 1
        self.verdicts[result.verdict.value] += 1
        if result.label is not None:
            self.labels[result.label] += 1
        if result.reasons:
            self.reasons[result.reasons[0].guard] += 1
        if self._accepted:
            self._accepted.add(result)
        self._follow("image.", statistics)
        self._follow("score.", result.scores)
        answers = {"confidence": result.confidence, "p_value": result.p_value}
        known = {name: value for name, value in answers.items() if value is not None}
        self._follow("", known)
        self._follow(DEVIATION, deviations)
        self._histograms.add(known)
        self._histograms.add({DEVIATION + name: value for name, value in deviations.items()})

    def histograms(self) -> dict[str, Counts]:
        """Return the counts of what is counted in fixed bins."""
        return self._histograms.counts()

    def accuracy(self) -> AccuracyCounts | None:
        """Return the accepted frames by confidence; None where the bundle has no use for them."""
        return self._accepted.counts() if self._accepted else None

    def statistics(self) -> dict[str, Moments]:
        """Return the moments of everything that was followed."""
        merged: dict[str, Moments] = {}
        for track in self._tracks.values():
            for name, moments in track.moments().items():
                merged[name] = merge_moments(merged[name], moments) if name in merged else moments
        return merged

    def _follow(self, prefix: str, values: Mapping[str, float]) -> None:
        if not values:
            return
        names = (prefix, *values)
        track = self._tracks.get(names)
        if track is None:
            track = self._tracks[names] = Track(tuple(prefix + name for name in values))
        track.add(values.values())
