"""How well each written file does on images of the line that training never saw."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
from ai_edge_litert.interpreter import Interpreter

from demo_model.dataset import Images, Labels
from demo_model.layers import INPUT, MEAN, STD, Floats

Model = Callable[[Floats], Floats]


def report(paths: tuple[Path, ...], images: Images, labels: Labels) -> None:
    """Print accuracy and size of each file, and how often its answer is that of the first.

    Raises
    ------
    SystemExit
        A quantized file loses more than 1 % of accuracy, or is 2 MB or larger.
    """
    answers = [logits(path, images).argmax(1) for path in paths]
    accuracies = [float((answer == labels).mean()) for answer in answers]
    for path, answer, accuracy in zip(paths, answers, accuracies, strict=True):
        agreement = float((answer == answers[0]).mean())
        size = path.stat().st_size
        print(f"{path.name}: accuracy {accuracy:.4f}, agreement {agreement:.4f}, {size} bytes")
        if accuracy < accuracies[0] - 0.01 or size >= 2_000_000:
            raise SystemExit(f"{path.name} is not good enough: train again or look at its ranges")


def logits(path: Path, images: Images) -> Floats:
    """Return the model's (N, classes) float logits of (N, 96, 128, 3) RGB images."""
    model = _tflite(path) if path.suffix == ".tflite" else _onnx(path)
    values = (images.astype(np.float32) - np.float32(MEAN)) / np.float32(STD)
    return np.concatenate([model(value[None]) for value in values])


def _onnx(path: Path) -> Model:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options)
    return lambda value: session.run(None, {INPUT: value.transpose(0, 3, 1, 2)})[0]


def _tflite(path: Path) -> Model:
    interpreter = Interpreter(model_path=str(path), num_threads=1)
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    (scale, zero), (out_scale, out_zero) = source["quantization"], target["quantization"]

    def run(value: Floats) -> Floats:
        stored = np.clip(np.rint(value / scale + zero), -128, 127).astype(np.int8)
        interpreter.set_tensor(source["index"], stored)
        interpreter.invoke()
        raw = interpreter.get_tensor(target["index"]).astype(np.float32)
        return np.asarray((raw - out_zero) * out_scale, np.float32)

    return run
