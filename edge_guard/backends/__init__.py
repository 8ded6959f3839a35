"""Model runtimes: ONNX and TFLite behind one contract, preprocessing, taps."""

from edge_guard.backends.open import open_backend

__all__ = ["open_backend"]
