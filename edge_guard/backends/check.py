"""Refuses a card that contradicts its model."""

from __future__ import annotations

import numpy as np

from edge_guard.backends.candidates import Head
from edge_guard.backends.graph import Graph
from edge_guard.backends.preprocess import Preprocess
from edge_guard.backends.spec import Backend, TensorSpec
from edge_guard.card import Card, OutputCard
from edge_guard.errors import CardError, ModelError
from edge_guard.types import Doubles

_PROBES = 8
_SUM_TOLERANCE = 0.02


def check_card(card: Card, graph: Graph, head: Head, backend: Backend, name: str) -> None:
    """Raise where a card and its model cannot both be right.

    Parameters
    ----------
    card : Card
        With its labels as a tuple.
    graph, head : Graph, Head
        The network, and its end.
    backend : Backend
        The model, untapped; it is run on a few random pictures.
    name : str
        What errors call the model.

    Raises
    ------
    CardError
        Colour, scaling, task, activation or the number of labels contradict the model.
    ModelError
        The model gives nothing but NaN or infinity.
    """
    try:
        preprocess = Preprocess(card.input, graph.input)
    except CardError as error:
        raise CardError(f"{name}: {error.problem}", error.remedy) from error
    main = graph.tensors[graph.main]
    if card.output.task in ("classify", "embed") and main.height * main.width > 1:
        raise CardError(
            f'{name}: the card says task = "{card.output.task}", but output {main.name!r} is a map '
            f"({main.height} x {main.width} x {main.channels})",
            'write task = "detect" or "anomaly", or give out a vector',
        )
    if card.output.task == "classify":
        _check_labels(card.output, main, name)
        _check_end(card.output, head, name)
    answers = _answers(preprocess, backend, main)
    if not len(answers):
        raise ModelError(
            f"{name}: the output is not finite for any of {_PROBES} random pictures",
            "export the model again, and check the scaling in its card",
        )
    if card.output.task == "classify":
        _check_range(card.output, answers, main, name)


def _check_labels(output: OutputCard, main: TensorSpec, name: str) -> None:
    if output.labels and len(output.labels) != main.channels:
        raise CardError(
            f"{name}: the card has {len(output.labels)} labels, the model {main.channels} outputs",
            "list one label an output, in index order; spell out an offset such as 'background'",
        )
    if main.channels == 1 and output.activation != "sigmoid":
        raise CardError(
            f"{name}: the model has 1 output, which cannot be {output.activation} of classes",
            'write activation = "sigmoid", or task = "anomaly" or "embed"',
        )


def _check_end(output: OutputCard, head: Head, name: str) -> None:
    if head.ends_in is not None and head.ends_in != output.activation:
        raise CardError(
            f'{name}: the card says activation = "{output.activation}", but the model ends in '
            f"{head.ends_in}",
            f'write activation = "{head.ends_in}"',
        )


def _answers(preprocess: Preprocess, backend: Backend, main: TensorSpec) -> Doubles:
    """Real outputs for random pictures, those that are finite; (n, values)."""
    rng = np.random.default_rng(0)
    spec = backend.input
    rows = []
    for _ in range(_PROBES):
        picture = rng.integers(0, 256, (spec.height, spec.width, 3), np.uint8)
        preprocess(picture, backend.tensor)
        stored = backend.run().main.astype(np.float64).reshape(-1)
        rows.append((stored - main.zero_point) * main.scale)
    answers = np.array(rows)
    finite: Doubles = answers[np.isfinite(answers).all(axis=1)]
    return finite


def _check_range(output: OutputCard, answers: Doubles, main: TensorSpec, name: str) -> None:
    """Probabilities must look like some, logits must not."""
    rounding = 0.0 if main.dtype == "float32" else main.scale
    share = bool(np.all((answers >= -_SUM_TOLERANCE) & (answers <= 1 + _SUM_TOLERANCE)))
    apart = float(np.abs(answers.sum(axis=1) - 1).max())
    sums = apart <= _SUM_TOLERANCE + rounding * main.channels / 2
    if output.activation == "softmax" and not (share and sums):
        raise CardError(
            f'{name}: the card says activation = "softmax", but the outputs are not probabilities '
            f"that sum to 1 (range {answers.min():.3g} to {answers.max():.3g})",
            'write activation = "logits" or "sigmoid"',
        )
    if output.activation == "sigmoid" and not share:
        raise CardError(
            f'{name}: the card says activation = "sigmoid", but the outputs range from '
            f"{answers.min():.3g} to {answers.max():.3g}",
            'write activation = "logits"',
        )
    exact = apart <= 1e-3 + rounding * main.channels / 2
    if output.activation == "logits" and share and exact and answers.std() > 0:
        raise CardError(
            f'{name}: the card says activation = "logits", but the outputs are probabilities that '
            "sum to 1",
            'write activation = "softmax"',
        )
