"""A small random CNN as an ONNX file, and pictures of simple parts for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE = 32
LABELS = ("round", "square", "cross")


def write_model(path: Path, *, poison_above: float | None = None, constant: bool = False) -> Path:
    """Write conv-relu-conv-relu-pool-dense with fixed random weights.

    Parameters
    ----------
    poison_above : float, optional
        Pictures with a mean above this grey level make every logit NaN.
    constant : bool
        All weights of the last layer are zero.
    """
    rng = np.random.default_rng(0)
    weights = {
        "w1": rng.normal(size=(8, 3, 3, 3)) * 0.3,
        "b1": rng.normal(size=8) * 0.1,
        "w2": rng.normal(size=(16, 8, 3, 3)) * 0.2,
        "b2": rng.normal(size=16) * 0.1,
        "w3": rng.normal(size=(16, 3)) * (0.0 if constant else 1.0),
        "b3": rng.normal(size=3) * 0.1,
    }
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2", "b2"], ["c2"], pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("Relu", ["c2"], ["r2"]),
        helper.make_node("GlobalAveragePool", ["r2"], ["g"]),
        helper.make_node("Flatten", ["g"], ["f"]),
        helper.make_node("Gemm", ["f", "w3", "b3"], ["y0" if poison_above else "y"]),
    ]
    if poison_above is not None:
        weights["limit"] = np.array([poison_above / 255.0])
        nodes += [
            helper.make_node("ReduceMean", ["x"], ["m"], keepdims=0),
            helper.make_node("Sub", ["limit", "m"], ["d"]),
            helper.make_node("Log", ["d"], ["l"]),  # NaN below zero
            helper.make_node("Sub", ["l", "l"], ["zero"]),
            helper.make_node("Add", ["y0", "zero"], ["y"]),
        ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3])],
        [numpy_helper.from_array(w.astype(np.float32), name) for name, w in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path


def part(rng: np.random.Generator) -> np.ndarray:
    """Return a picture of a bright part on a dark belt, uint8 (64, 64, 3)."""
    rows, columns = np.indices((64, 64))
    center = 32 + rng.normal(size=2)
    inside = np.hypot(rows - center[0], columns - center[1]) < 18 + rng.normal() * 0.5
    shade = np.where(inside, 170.0, 60.0) + 0.3 * columns
    picture = shade[..., None] * [0.9, 1.0, 1.05] + rng.normal(size=(64, 64, 3)) * 4
    return np.clip(picture, 0, 255).astype(np.uint8)


def parts(n: int, seed: int) -> list[np.ndarray]:
    """Return n such pictures."""
    rng = np.random.default_rng(seed)
    return [part(rng) for _ in range(n)]
