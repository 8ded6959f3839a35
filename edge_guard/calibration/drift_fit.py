"""The drift monitors of a bundle, from the references as they were observed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
from scipy import stats

from edge_guard._kernels import STATISTICS
from edge_guard.calibration.drift_baseline import fit_channels, fit_ranks, padded
from edge_guard.calibration.drift_likeness import Series
from edge_guard.calibration.drift_scene import fit_scene
from edge_guard.calibration.drift_shares import answer_series
from edge_guard.calibration.drift_signatures import Observer, signatures
from edge_guard.calibration.references import Observations, Reference
from edge_guard.drift.causes import whitener_of
from edge_guard.drift.channels import COLOUR, FLAGGED, FLOORS, GEOMETRY, IMAGE, Reader, doubt_of
from edge_guard.drift.looks import N_CELL_FEATURES, Change, cell_spread, cell_values, look
from edge_guard.drift.model import DriftModel
from edge_guard.drift.spec import FRAMES_BETWEEN_ALARMS, DriftSpec, SignatureSpec
from edge_guard.guards.logits import logit_scores
from edge_guard.types import Array, Doubles, Image

_CORRELATED = 1.5
"""A correlation length above this: the references are in the order of a stream."""

_PICTURES = 64
_STATISTIC_FLOOR, _FEATURE_FLOOR = 1e-3, 0.1
_FEW = 100
_FEWEST_OF_A_PRODUCT = 10
_SHORT = timedelta(hours=8)
"""References of less time than a shift do not show what light a day brings."""


def fit_drift(
    seen: Observations,
    fused: Doubles,
    references: Sequence[Reference],
    *,
    fixed: bool,
    seed: int,
    flag_rate: float = 0.0,
    answers: tuple[str, ...] = (),
    frames_between_alarms: float = FRAMES_BETWEEN_ALARMS,
) -> DriftModel:
    """Return the monitors.

    Parameters
    ----------
    seen : Observations
        Of N references, in the order of capture.
    fused : Doubles
        (N,) fused scores, out of fold.
    references : sequence of Reference
        The N, to look at some again.
    fixed : bool
        The camera sees one scene.
    seed : int
    flag_rate : float
        The promised false-flag rate; 0: flags are not watched.
    answers : tuple of str
        (N,) the model's answer to each, in words; empty: answers are not watched.
    frames_between_alarms : float
        Promised mean number of frames between false alarms.
    """
    chosen = np.unique(np.linspace(0, len(seen) - 1, min(len(seen), _PICTURES)).astype(int))
    pictures = [references[i].load() for i in chosen]
    fixed = fixed and len(seen.sampled) == len(seen)
    scene = fit_scene(seen.cells, seen.sampled, pictures, fixed=fixed)
    names = _image_names(pictures, moves=scene.registration.size > 0)
    series = _series(seen, fused, Reader(scene, names), names)
    series += _shares(seen, flag_rate, answers)
    channels, lengths = fit_channels(series, frames_between_alarms)
    consecutive = bool((lengths > _CORRELATED).any())
    ranks = [
        fit_ranks(channel, one, consecutive=consecutive)
        for channel, one in zip(channels, series, strict=True)
    ]
    edges, gaps = padded(ranks)
    cells = _cells(seen)
    spread = cell_spread(cells)
    observer = Observer(Reader(scene, names))
    made, how = signatures(pictures, observer, spread, seed)
    image = np.stack([one.values for one in series[: len(names)]], axis=1)
    mixes, shares = _product_mixes(seen, image, spread)
    specs, directions = made + mixes, np.concatenate([how, *shares])
    effective = len(seen) / float(np.median(lengths))
    spec = DriftSpec(
        frames_between_alarms=frames_between_alarms,
        channels=channels,
        n=len(seen),
        consecutive=consecutive,
        signatures=specs,
        warnings=_warnings(seen, effective, references),
        flag_rate=flag_rate,
    )
    statistics = np.asarray(seen.statistics[:, : len(STATISTICS)], np.float64)
    return DriftModel(
        spec=spec,
        scene=scene,
        edges=edges,
        gaps=gaps,
        statistics=statistics.mean(0),
        cells=cell_values(np.stack([seen.cells.mean(0), seen.textures.mean(0)])),
        spread=spread,
        whitener=_whitener(series[: len(names)], statistics, cells, spread),
        signatures=directions.astype(np.float32),
    )


def _image_names(pictures: Sequence[Image], *, moves: bool) -> tuple[str, ...]:
    colour = all(picture.ndim == 3 for picture in pictures)
    left_out = {*(() if colour else COLOUR), *(() if moves else GEOMETRY)}
    return tuple(name for name in IMAGE if name not in left_out)


def _series(
    seen: Observations, fused: Doubles, reader: Reader, names: tuple[str, ...]
) -> list[Series]:
    groups = np.array(seen.labels)
    sampled = seen.sampled if len(seen.sampled) == len(seen) else [None] * len(seen)
    cells = np.stack((seen.cells, seen.textures), axis=1)
    parts = zip(seen.statistics, cells, sampled, strict=True)
    rows = np.array([reader.of_image(*part) for part in parts])
    found = [Series(name, column, groups) for name, column in zip(names, rows.T, strict=True)]
    ranks = stats.rankdata(-fused, method="max") / (len(fused) + 1)
    found.append(Series("unlike", stats.norm.isf(ranks), groups))
    if seen.logits.shape[1]:
        found.append(Series("doubt", doubt_of(logit_scores(seen.logits)[:, 0]), groups))
    return found


def _shares(seen: Observations, flag_rate: float, answers: tuple[str, ...]) -> list[Series]:
    groups = np.array(seen.labels)
    shares = answer_series(list(answers), groups)
    if flag_rate > 0.0:
        shares.insert(0, Series(FLAGGED, np.full(len(seen), flag_rate), groups))
    return shares


def _product_mixes(
    seen: Observations, image: Doubles, spread: Array
) -> tuple[tuple[SignatureSpec, ...], list[Doubles]]:
    """Return how more of one product, a folder of the references, shows."""
    products = np.array(seen.labels)
    specs, rows = [], []
    everything = np.ones(len(seen), np.bool_)
    for product in sorted(set(products.tolist())):
        members = products == product
        if _FEWEST_OF_A_PRODUCT <= members.sum() <= len(seen) - _FEWEST_OF_A_PRODUCT:
            parts = zip(_means(seen, image, members), _means(seen, image, everything), strict=True)
            change = Change(*(here - usual for here, usual in parts))
            specs.append(SignatureSpec("product mix", f"more of “{product}”"))
            rows.append(look(change, spread)[None])
    return tuple(specs), rows


def _means(seen: Observations, image: Doubles, members: Array) -> tuple[Doubles, Doubles, Doubles]:
    """Return the mean channels, statistics and cells of some references."""
    cells = np.stack([seen.cells[members].mean(0), seen.textures[members].mean(0)])
    statistics = np.asarray(seen.statistics[members, : len(STATISTICS)], np.float64)
    return image[members].mean(0), statistics.mean(0), cell_values(cells)


def _cells(seen: Observations) -> Doubles:
    pairs = zip(seen.cells, seen.textures, strict=True)
    return np.array([cell_values(np.stack(pair)) for pair in pairs])


def _whitener(
    series: Sequence[Series], statistics: Doubles, cells: Doubles, spread: Array
) -> Array:
    """Return the whitener of looks, from the references."""
    channels = np.stack([one.values for one in series], axis=1)
    center = channels.mean(0), statistics.mean(0), cells.mean(0)
    looks = np.array(
        [
            look(Change(*(part - mean for part, mean in zip(row, center, strict=True))), spread)
            for row in zip(channels, statistics, cells, strict=True)
        ]
    )
    floors = np.concatenate(
        [
            [FLOORS[one.name] for one in series],
            _STATISTIC_FLOOR * (1.0 + np.abs(center[1])),
            np.full(N_CELL_FEATURES, _FEATURE_FLOOR),
        ]
    )
    return whitener_of(looks, np.maximum(looks.std(0), floors)).astype(np.float32)


def _warnings(
    seen: Observations, effective: float, references: Sequence[Reference]
) -> tuple[str, ...]:
    said = []
    if effective < _FEW:
        said.append(
            f"the monitors' baselines rest on {effective:.0f} independent references: small "
            f"changes are seen late; from {_FEW} on they are seen sooner"
        )
    times = [path.stat().st_mtime for r in references if (path := Path(r.name)).is_file()]
    span = timedelta(seconds=max(times) - min(times)) if times else timedelta()
    if times and span < _SHORT:
        said.append(
            f"the references' files span {_in_words(span)}: light that changes over a day will "
            "raise alarms; take references over a whole day, better over several shifts"
        )
    return tuple(said)


def _in_words(span: timedelta) -> str:
    minutes = span.total_seconds() / 60
    return f"{minutes:.0f} minutes" if minutes < 120 else f"{minutes / 60:.0f} hours"
