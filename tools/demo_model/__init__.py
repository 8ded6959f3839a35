"""The demo's classifier: trained on the simulated line, written as int8 ONNX and int8 TFLite."""
