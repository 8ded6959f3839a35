"""Open a model file with the runtime that computes it."""

from __future__ import annotations

from pathlib import Path

from edge_guard.backends.failures import model_errors
from edge_guard.backends.onnx import OnnxBackend
from edge_guard.backends.spec import Backend, Kind, TapPlan
from edge_guard.backends.tflite import TfliteBackend
from edge_guard.errors import ModelError

TFLITE_IDENTIFIER = b"TFL3"


def read_model(path: Path) -> tuple[bytes, Kind]:
    """Return a model file's bytes and its format, told by its content and its suffix.

    Raises
    ------
    ModelError
        The file cannot be read, is empty, or is neither ONNX nor TFLite.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(
            f"{path}: the model cannot be read: {error.strerror}", "give the path of a model file"
        ) from error
    if not data:
        raise ModelError(f"{path}: the model file is empty", "export or copy it again")
    if data[4:8] == TFLITE_IDENTIFIER:
        return data, "tflite"
    if path.suffix.lower() == ".onnx":
        return data, "onnx"
    if path.suffix.lower() == ".tflite":
        raise ModelError(f"{path}: this is not a TFLite file", "export or copy the model again")
    raise ModelError(
        f"{path}: neither an ONNX nor a TFLite model", "name the file MODEL.onnx or MODEL.tflite"
    )


def open_backend(
    model: bytes | Path,
    plan: TapPlan | None = None,
    *,
    kind: Kind | None = None,
    threads: int = 1,
    name: str = "model",
) -> Backend:
    """Return the model, loaded and ready to run.

    Parameters
    ----------
    model : bytes or Path
        The model's content, or its file.
    plan : TapPlan, optional
        What the model gives out; without it, only its own first output.
    kind : {"onnx", "tflite"}, optional
        Format; needed with bytes, told from the file otherwise.
    threads : int
        Threads of the runtime, at least 1.
    name : str
        What errors call a model given as bytes.

    Raises
    ------
    ModelError
        The model is damaged, cannot be computed here, or does not fit the plan.
    ConfigError
        The runtime is not installed.
    """
    if isinstance(model, Path):
        name = str(model)
        model, kind = read_model(model)
    runtimes: dict[Kind | None, type[OnnxBackend] | type[TfliteBackend]] = {
        "onnx": OnnxBackend,
        "tflite": TfliteBackend,
    }
    if kind not in runtimes:
        raise ModelError(f"{name}: unknown model format {kind!r}", 'use "onnx" or "tflite"')
    remedy = "export or copy it again, with operators that this runtime knows"
    with model_errors(name, "the model cannot be loaded", remedy):
        return runtimes[kind](model, plan, threads=threads, name=name)
