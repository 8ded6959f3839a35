"""A network as the choice of taps sees it, the same for ONNX and TFLite."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from edge_guard.backends.spec import Kind, TensorSpec

Op = Literal["conv", "dense", "pool", "activation", "softmax", "sigmoid", "reshape", "other"]

TRANSPARENT: frozenset[Op] = frozenset({"reshape"})
"""Operators that give the same values in another shape."""


@dataclass(frozen=True, slots=True)
class Node:
    """One operator with the activations it reads (no weights) and writes."""

    op: Op
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Graph:
    """Operators in the order of execution.

    Quantize and dequantize operators are left out: an activation that exists as float and as
    integers is one tensor, named as the integers are, for those cost nothing to give out.

    Attributes
    ----------
    kind : Kind
    input : TensorSpec
    main : str
        Name of the first output as the model gives it.
    nodes : tuple of Node
    tensors : mapping of str to TensorSpec
        The activations that can be given out, by name.
    aliases : mapping of str to str
        From every other name of an activation to its name in ``nodes``.
    quantized_input : TensorSpec or None
        The input as integers: itself, or what the model first makes of a float input.
    answers : tuple of TensorSpec
        The outputs after the first that can be given out.
    """

    kind: Kind
    input: TensorSpec
    main: str
    nodes: tuple[Node, ...]
    tensors: Mapping[str, TensorSpec]
    aliases: Mapping[str, str]
    quantized_input: TensorSpec | None
    answers: tuple[TensorSpec, ...] = ()

    @cached_property
    def producers(self) -> dict[str, Node]:
        """The node that writes each activation."""
        return {name: node for node in self.nodes for name in node.outputs}

    @cached_property
    def consumers(self) -> dict[str, list[Node]]:
        """The nodes that read each activation."""
        found: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in node.inputs:
                found.setdefault(name, []).append(node)
        return found

    def source(self, name: str) -> Node | None:
        """Return the node that computes an activation, seen through reshapes."""
        node = self.producers.get(self.aliases.get(name, name))
        while node is not None and node.op in TRANSPARENT and node.inputs:
            node = self.producers.get(node.inputs[0])
        return node
