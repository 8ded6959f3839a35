"""What ONNX operators are to the choice of taps."""

from __future__ import annotations

from edge_guard.backends.graph import Op

OPS: dict[str, Op] = {
    "Conv": "conv",
    "QLinearConv": "conv",
    "ConvTranspose": "conv",
    "Gemm": "dense",
    "MatMul": "dense",
    "QGemm": "dense",
    "QLinearMatMul": "dense",
    "AveragePool": "pool",
    "GlobalAveragePool": "pool",
    "GlobalMaxPool": "pool",
    "MaxPool": "pool",
    "QLinearAveragePool": "pool",
    "QLinearGlobalAveragePool": "pool",
    "ReduceMean": "pool",
    "Relu": "activation",
    "Clip": "activation",
    "LeakyRelu": "activation",
    "PRelu": "activation",
    "HardSwish": "activation",
    "Elu": "activation",
    "BatchNormalization": "activation",
    "QLinearLeakyRelu": "activation",
    "Softmax": "softmax",
    "LogSoftmax": "softmax",
    "QLinearSoftmax": "softmax",
    "Sigmoid": "sigmoid",
    "QLinearSigmoid": "sigmoid",
    "Reshape": "reshape",
    "Flatten": "reshape",
    "Squeeze": "reshape",
    "Unsqueeze": "reshape",
    "Identity": "reshape",
    "Dropout": "reshape",
}
SCALE_INPUT = {
    "QuantizeLinear": 1,
    "QLinearConv": 6,
    "QLinearMatMul": 6,
    "QLinearAdd": 6,
    "QLinearMul": 6,
    "QGemm": 7,
    "QLinearAveragePool": 3,
    "QLinearGlobalAveragePool": 3,
    "QLinearLeakyRelu": 3,
    "QLinearSigmoid": 3,
    "QLinearSoftmax": 3,
    "QLinearConcat": 0,
}
"""Which input is the scale of an operator's integer output; the zero point is the next one."""
