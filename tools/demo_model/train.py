"""The training loop: fixed seeds, one cycle of AdamW, light changes as augmentation."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from demo_model.dataset import Images, Labels
from demo_model.layers import MEAN, STD
from demo_model.network import Network

EPOCHS = 14
BATCH = 64
RATE = 4e-3


def train(images: Images, labels: Labels, classes: int, seed: int = 0) -> Network:
    """Return the network fitted to the images; the same one for the same seed and machine."""
    torch.manual_seed(seed)
    torch.set_num_threads(2)
    torch.use_deterministic_algorithms(True)
    order = np.random.default_rng(seed)
    network = Network(classes)
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=0.02)
    steps = EPOCHS * (len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    for epoch in range(EPOCHS):
        shuffled = order.permutation(len(images))
        losses = []
        for start in range(0, len(images) - BATCH + 1, BATCH):
            chosen = shuffled[start : start + BATCH]
            batch = augmented(tensor(images[chosen]))
            target = torch.from_numpy(labels[chosen])
            loss = functional.cross_entropy(network(batch), target, label_smoothing=0.02)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        print(f"epoch {epoch + 1}/{EPOCHS}: loss {np.mean(losses):.4f}", flush=True)
    return network.eval()


def tensor(images: Images) -> Tensor:
    """Return the normalised (N, 3, H, W) tensor of (N, H, W, 3) RGB images."""
    values = (images.astype(np.float32) - np.float32(MEAN)) / np.float32(STD)
    return torch.from_numpy(np.ascontiguousarray(values.transpose(0, 3, 1, 2)))


def augmented(batch: Tensor) -> Tensor:
    """Return the batch with other gains, levels and noise, and rolled by up to two px."""
    count = len(batch)
    gain = 1 + 0.04 * torch.randn(count, 1, 1, 1)
    level = 0.03 * torch.randn(count, 3, 1, 1)
    rows, columns = torch.randint(-2, 3, (2,)).tolist()
    moved = torch.roll(batch, (rows, columns), (2, 3))
    return moved * gain + level + 0.015 * torch.randn_like(batch)
