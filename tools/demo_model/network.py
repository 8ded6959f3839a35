"""The network in PyTorch: a small residual net, about 75,000 weights."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from demo_model.layers import INPUT, Layer


class Convolution(nn.Module):
    """Convolution with TensorFlow's SAME padding, batch norm and (mostly) ReLU."""

    def __init__(
        self,
        inner: int,
        outer: int,
        *,
        kernel: int = 3,
        stride: int = 1,
        groups: int = 1,
        relu: bool = True,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inner, outer, kernel, stride, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(outer)
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        """Return the (N, outer, H / stride, W / stride) map."""
        if self.conv.kernel_size[0] == 3:
            before = 1 if self.conv.stride[0] == 1 else 0
            x = functional.pad(x, (before, 1, before, 1))
        y = self.norm(self.conv(x))
        return functional.relu(y) if self.relu else y

    def folded(self, name: str, source: str) -> Layer:
        """Return this layer with the batch norm in its weights."""
        norm = self.norm
        gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        weight = self.conv.weight * gain[:, None, None, None]
        bias = norm.bias - norm.running_mean * gain
        kind = "depthwise" if self.conv.groups > 1 else "conv"
        return Layer(
            kind,
            name,
            (source,),
            weight.detach().numpy(),
            bias.detach().numpy(),
            self.conv.stride[0],
            self.relu,
        )


class Stage(nn.Module):
    """Halve the map with a depthwise-separable step, then one residual block."""

    def __init__(self, inner: int, outer: int, *, separable: bool) -> None:
        super().__init__()
        self.down = Convolution(inner, inner, stride=2, groups=inner)
        self.widen = Convolution(inner, outer, kernel=1)
        self.first = Convolution(outer, outer, groups=outer if separable else 1)
        self.second = Convolution(outer, outer, kernel=1, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the (N, outer, H / 2, W / 2) map."""
        x = self.widen(self.down(x))
        return functional.relu(x + self.second(self.first(x)))

    def folded(self, name: str, source: str) -> Iterator[Layer]:
        """Yield the stage's layers."""
        yield self.down.folded(f"{name}_down", source)
        yield self.widen.folded(f"{name}_widen", f"{name}_down")
        yield self.first.folded(f"{name}_first", f"{name}_widen")
        yield self.second.folded(f"{name}_second", f"{name}_first")
        yield Layer("add", name, (f"{name}_widen", f"{name}_second"), relu=True)


class Network(nn.Module):
    """Stem, three stages, global average, one dense layer; logits out."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = Convolution(3, 16, stride=2)
        self.stages = nn.ModuleList(
            [
                Stage(16, 32, separable=False),
                Stage(32, 64, separable=False),
                Stage(64, 96, separable=True),
            ]
        )
        self.head = nn.Linear(96, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, classes) logits of (N, 3, 96, 128) normalised images."""
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
        return self.head(x.mean((2, 3)))

    def folded(self) -> list[Layer]:
        """Return the network as plain layers in order."""
        layers = [self.stem.folded("stem", INPUT)]
        for number, stage in enumerate(self.stages, 1):
            layers += stage.folded(f"stage{number}", layers[-1].name)
        layers.append(Layer("mean", "features", (layers[-1].name,)))
        weight, bias = self.head.weight.detach().numpy(), self.head.bias.detach().numpy()
        layers.append(Layer("dense", "logits", ("features",), weight, bias))
        return layers
