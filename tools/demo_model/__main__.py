"""``python tools/demo_model``: train, quantize and check the demo's classifier."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from line_simulator.defects import LABELS

from demo_model import check, dataset, train, write_onnx, write_tflite

_TRAINING, _TEST = 101, 102


def main() -> None:
    """Write ``demo_line.onnx`` and ``demo_line.tflite`` into the folder given."""
    parser = argparse.ArgumentParser(prog="demo_model", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--per-label", type=int, default=1400, help="training images (default %(default)s)"
    )
    arguments = parser.parse_args()
    images, labels = dataset.images(arguments.per_label, _TRAINING)
    network = train.train(images, labels, len(LABELS))
    layers = network.folded()
    calibration = train.tensor(images[:: len(images) // 400]).numpy()
    int8_onnx, int8_tflite = (arguments.folder / f"demo_line.{kind}" for kind in ("onnx", "tflite"))
    with tempfile.TemporaryDirectory() as scratch:
        plain = Path(scratch) / "float.onnx"
        write_onnx.write_float(plain, layers)
        write_onnx.quantize(plain, int8_onnx, calibration)
        write_tflite.write(int8_tflite, layers, int8_onnx)
        check.report((plain, int8_onnx, int8_tflite), *dataset.images(400, _TEST))


if __name__ == "__main__":
    main()
