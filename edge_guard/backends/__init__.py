"""Model runtimes: ONNX and TFLite behind one contract, preprocessing, taps."""
