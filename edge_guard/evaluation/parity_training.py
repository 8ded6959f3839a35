"""Training images in the references' place: the baselines that production is compared with."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt

import msgspec
import numpy as np

from edge_guard.drift.channels import FLOORS
from edge_guard.drift.histogram import DEVIATION_EDGES
from edge_guard.drift.looks import cell_values
from edge_guard.drift.model import DriftModel
from edge_guard.drift.spec import ChannelSpec
from edge_guard.errors import ReferencesError
from edge_guard.evaluation.parity_batch import Batch
from edge_guard.types import Doubles

_FEWEST = 20
_SHARE_FLOOR = 0.05
"""Least deviation of a channel that is 1 or 0."""

_BAND = 0.84
"""Standard errors in a dead band, the 80 % limit of the references'."""


def of_training(model: DriftModel, batch: Batch) -> DriftModel:
    """Return the monitors of a bundle with training images for references.

    Parameters
    ----------
    model : DriftModel
    batch : Batch
        What the bundle makes of the training images.

    Raises
    ------
    ReferencesError
        They are fewer than 20.
    """
    if len(batch.rows) < _FEWEST:
        raise ReferencesError(
            f"{len(batch.rows)} training images are too few", f"give at least {_FEWEST}"
        )
    values, channels = batch.values, model.spec.channels
    k, s = len(channels), len(model.statistics)
    measured = (_channel(c, column) for c, column in zip(channels, values.T, strict=False))
    return replace(
        model,
        spec=msgspec.structs.replace(model.spec, channels=tuple(measured), n=len(values)),
        statistics=values[:, k : k + s].mean(0),
        cells=cell_values(values[:, k + s :].mean(0)),
    )


def _channel(channel: ChannelSpec, column: Doubles) -> ChannelSpec:
    known = column[~np.isnan(column)]
    if known.size < _FEWEST:
        return channel
    mean, sd = float(known.mean()), max(float(known.std()), FLOORS.get(channel.name, _SHARE_FLOOR))
    bins = np.searchsorted(DEVIATION_EDGES, (known - mean) / sd, "right")
    counts = np.bincount(bins, minlength=len(DEVIATION_EDGES) + 1)
    return msgspec.structs.replace(
        channel,
        mean=mean,
        sd=sd,
        dead_band=_BAND * sd / sqrt(known.size),
        counts=tuple(counts.tolist()),
    )
