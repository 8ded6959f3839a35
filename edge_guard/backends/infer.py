"""A model's card: read where there is one, inferred and said aloud where there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

from edge_guard.backends.candidates import Head, find_head
from edge_guard.backends.graph import Graph
from edge_guard.backends.open import open_backend, read_model
from edge_guard.backends.scalings import USUAL, fitting_scaling
from edge_guard.backends.taps import read_graph
from edge_guard.card import Card, InputCard, OutputCard, read_card
from edge_guard.errors import CardError

Task = Literal["classify", "embed"]


class LoadedCard(NamedTuple):
    """A model's card.

    Attributes
    ----------
    card : Card
        With its labels as a tuple.
    labels : tuple of str
        The same labels; empty where none are known.
    said : tuple of str
        One sentence for each thing that was assumed; empty for a card that was read.
    """

    card: Card
    labels: tuple[str, ...]
    said: tuple[str, ...]


def load_card(model: str | Path, card: str | Path | None = None) -> LoadedCard:
    """Return a model's card from its file, or inferred from the model.

    Parameters
    ----------
    model : path
        ONNX or TFLite file; its card is the file of the same name that ends in ``.toml``.
    card : path, optional
        Another card.

    Raises
    ------
    CardError
        The card is wrong, or there is none and the model's task cannot be told.
    ModelError
        There is no card and the model cannot be loaded.
    """
    found = read_card(Path(model), Path(card) if card else None)
    if found is not None:
        return LoadedCard(found, tuple(found.output.labels), ())
    inferred, said = infer_card(Path(model))
    return LoadedCard(inferred, (), said)


def infer_card(model: Path) -> tuple[Card, tuple[str, ...]]:
    """Return the likeliest card of a model, and a sentence for each thing assumed.

    Raises
    ------
    CardError
        The output is not a vector, so the task cannot be told.
    ModelError
        The model cannot be loaded.
    """
    data, kind = read_model(model)
    backend = open_backend(data, kind=kind, name=str(model))
    graph = read_graph(data, backend, str(model))
    backend.close()
    fed, said_input = _infer_input(graph)
    given, said_output = _infer_output(graph, find_head(graph), model)
    card_file = model.with_suffix(".toml")
    return Card(input=fed, output=given), (
        f"no model card {card_file}: the following is assumed; write one to be sure",
        *said_input,
        *said_output,
    )


def _infer_input(graph: Graph) -> tuple[InputCard, list[str]]:
    """Colour order and scaling."""
    spec = graph.input
    card = InputCard(color="rgb" if spec.channels == 3 else "gray")
    said = ["assumed colour order RGB" if spec.channels == 3 else "the model takes gray images"]
    if graph.quantized_input is None:
        scaling = USUAL[1]
        said.append(f"assumed input scaling: {scaling.words}")
    else:
        scaling = fitting_scaling(graph.quantized_input)
        said.append(f"input scaling as the model quantizes its input: {scaling.words}")
    said.append("assumed that frames are stretched to the model's size")
    return scaling.card(card), said


def _infer_output(graph: Graph, head: Head, model: Path) -> tuple[OutputCard, list[str]]:
    """Task and activation."""
    main = graph.tensors[graph.main]
    if main.height * main.width > 1:
        raise CardError(
            f"{model}: no model card, and the output is a map ({main.height} x {main.width} x "
            f"{main.channels}) whose meaning cannot be told",
            f"write {model.with_suffix('.toml')} with [output] task",
        )
    task: Task = "classify" if head.classified or head.ends_in else "embed"
    activation = head.ends_in or "logits"
    if task == "embed":
        said = [f"no classifier at the end: the {main.channels} outputs are taken as features"]
    else:
        said = [f"a classifier of {main.channels} classes without names, ending in {activation}"]
    return OutputCard(task=task, activation=activation), said
