"""The image statistics with OpenCV's functions wherever it has one, NumPy for the rest.

Definitions in csrc/statistics.cpp. Written to be as fast as OpenCV allows without a loop of one's
own: small types, saturating operations only where they lose nothing, masks counted by OpenCV.
"""

from __future__ import annotations

import itertools
from typing import Any

import cv2
import numpy as np

EPS = 0.5
RING = ((-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1))
Plane = Any


def statistics(image: Plane) -> dict[str, float]:
    """Return all statistics of a uint8 (H, W, 3) BGR or (H, W) image by name, from every row."""
    luma = _luma(image)
    found = _distribution(luma)
    found |= _gradients(luma, found["sd"]) | _noise(luma) | _patterns(luma) | _scales(luma)
    return found | _chroma(image) | _banding(image, luma) | _arrangement(luma) | _grid(luma)


def _luma(image: Plane) -> Plane:
    if image.ndim == 2:
        return image
    weighted = cv2.transform(image.astype(np.float32), np.array([[29, 150, 77]], np.float32) / 256)
    return weighted.astype(np.uint8)  # cuts off, as the shift by 8 bits does


def _distribution(luma: Plane) -> dict[str, float]:
    counts = cv2.calcHist([luma], [0], None, [256], [0, 256]).ravel().astype(np.float64)
    shares, levels = counts / luma.size, np.arange(256.0)
    mean = float(shares @ levels)
    m2, m3, m4 = (float(shares @ (levels - mean) ** k) for k in (2, 3, 4))
    seen, sums = shares[shares > 0], counts.cumsum()
    quantiles = {
        f"p{q}": float(np.searchsorted(sums * 100, q * luma.size))
        for q in (1, 5, 25, 50, 75, 95, 99)
    }
    return quantiles | {
        "mean": mean,
        "sd": m2**0.5,
        "skewness": m3 / m2**1.5 if m2 > 0 else 0.0,
        "kurtosis": m4 / m2**2 - 3 if m2 > 0 else 0.0,
        "clipped_low": float(shares[:2].sum()),
        "clipped_high": float(shares[254:].sum()),
        "entropy": float(-(seen * np.log2(seen)).sum()),
        "darkest": float(np.searchsorted(sums * 4096, luma.size)),
        "brightest": 255.0 - float(np.searchsorted(counts[::-1].cumsum() * 4096, luma.size)),
        **{f"level_{b}": float(v) for b, v in enumerate(_log_shares(shares))},
    }


def _log_shares(shares: Plane) -> Plane:
    return np.log(shares.reshape(16, 16).sum(1) + 0.003)


def _differences(luma: Plane) -> tuple[Plane, Plane]:
    corner = luma[:-1, :-1]
    return (
        cv2.subtract(luma[:-1, 1:], corner, dtype=cv2.CV_16S),
        cv2.subtract(luma[1:, :-1], corner, dtype=cv2.CV_16S),
    )


def _laplacian(luma: Plane) -> Plane:
    return cv2.Laplacian(luma, cv2.CV_16S, ksize=1)[1:-1, 1:-1]


def _square(plane: Plane) -> float:
    return float(cv2.norm(plane, cv2.NORM_L2SQR))


def _gradients(luma: Plane, sd: float) -> dict[str, float]:
    gx, gy = _differences(luma)
    n = gx.size
    xx, yy = _square(gx), _square(gy)
    xy = float(np.vdot(gx.astype(np.float32), gy.astype(np.float32)))
    abs_x, abs_y = cv2.norm(gx, cv2.NORM_L1), cv2.norm(gy, cv2.NORM_L1)
    total = cv2.add(cv2.absdiff(gx, 0), cv2.absdiff(gy, 0))
    energy = xx + yy
    along, across = ((xx - yy) / energy, 2 * xy / energy) if energy else (0.0, 0.0)
    laplacian_sd = float(cv2.meanStdDev(_laplacian(luma))[1][0, 0])
    spread = ((energy / (2 * n)) ** 0.5 + EPS) / ((abs_x + abs_y) / (2 * n) + EPS)
    return {
        "gradient_x": abs_x / n,
        "gradient_y": abs_y / n,
        "tenengrad": energy / n,
        "gradient_sparsity": float(np.log(spread)),
        "edge_share": cv2.countNonZero(cv2.compare(total, 32, cv2.CMP_GE)) / n,
        "coherence": float(np.hypot(along, across)),
        "orientation_cos": along,
        "orientation_sin": across,
        "laplacian_sd": laplacian_sd,
        "focus": float(np.log((laplacian_sd + EPS) / (sd + EPS))),
    }


def _noise(luma: Plane) -> dict[str, float]:
    y = luma[: luma.shape[0] // 2 * 2, : luma.shape[1] // 2 * 2].astype(np.int16)
    d = cv2.subtract(y[::2, ::2], y[::2, 1::2])
    diagonal = cv2.absdiff(d, cv2.subtract(y[1::2, ::2], y[1::2, 1::2]))
    counts = cv2.calcHist([diagonal.astype(np.uint16)], [0], None, [511], [0, 511]).ravel()
    sums = counts.astype(np.float64).cumsum()
    level = int(np.searchsorted(sums, sums[-1] / 2))
    below = sums[level - 1] if level else 0.0
    median = level - 1 + (sums[-1] / 2 - below) / counts[level] if level else 0.0
    mean = float(counts @ np.arange(511.0)) / sums[-1]
    return {"noise": 1.4826 / 2 * median, "noise_mean": (np.pi / 2) ** 0.5 / 2 * mean}


def _patterns(luma: Plane) -> dict[str, float]:
    height, width = luma.shape
    centre = luma[1:-1, 1:-1]
    bits = [
        cv2.min(
            cv2.compare(luma[1 + y : height - 1 + y, 1 + x : width - 1 + x], centre, cv2.CMP_GE), 1
        )
        for y, x in RING
    ]
    ones = bits[0]
    for bit in bits[1:]:
        ones = cv2.add(ones, bit)
    steps = cv2.bitwise_xor(bits[-1], bits[0])
    for a, b in itertools.pairwise(bits):
        steps = cv2.add(steps, cv2.bitwise_xor(a, b))
    labels = np.where(steps <= 2, ones, np.uint8(9))
    counts = cv2.calcHist([labels], [0], None, [10], [0, 10]).ravel() / labels.size
    names = [f"lbp_{k}" for k in range(9)] + ["lbp_other"]
    return dict(zip(names, counts.tolist(), strict=True))


def _scales(luma: Plane) -> dict[str, float]:
    found = {}
    for factor in (1, 2, 4, 8):
        gx, gy = _differences(luma)
        found[f"gradient_{factor}x"] = float(np.log1p((_square(gx) + _square(gy)) / gx.size))
        inner = _laplacian(luma)
        energy = _square(inner) / inner.size if inner.size else 0.0
        found[f"laplacian_{factor}x"] = float(np.log1p(energy))
        height, width = (side // 2 * 2 for side in luma.shape)
        luma = cv2.resize(
            luma[:height, :width], (width // 2, height // 2), interpolation=cv2.INTER_AREA
        )
    return found


def _chroma(image: Plane) -> dict[str, float]:
    if image.ndim == 2:
        return dict.fromkeys(("log_rg", "log_bg", "saturation_mean", "rg_sd", "bg_sd"), 0.0)
    blue, green, red = cv2.split(image)
    b, g, r, _ = cv2.mean(image)
    most, least = cv2.max(cv2.max(blue, green), red), cv2.min(cv2.min(blue, green), red)
    differences = [cv2.subtract(plane, green, dtype=cv2.CV_16S) for plane in (red, blue)]
    rg, bg = (float(cv2.meanStdDev(plane)[1][0, 0]) for plane in differences)
    return {
        "log_rg": float(np.log((r + 1) / (g + 1))),
        "log_bg": float(np.log((b + 1) / (g + 1))),
        "saturation_mean": cv2.mean(cv2.subtract(most, least))[0],
        "rg_sd": rg,
        "bg_sd": bg,
    }


def _banding(image: Plane, luma: Plane) -> dict[str, float]:
    rows = cv2.reduce(luma, 1, cv2.REDUCE_AVG, dtype=cv2.CV_64F).ravel()
    columns = cv2.reduce(luma, 0, cv2.REDUCE_AVG, dtype=cv2.CV_64F).ravel()
    across = cv2.reduce(cv2.bitwise_xor(luma[:, 1:], luma[:, :-1]), 0, cv2.REDUCE_MAX)
    flat = image.reshape(len(image), -1)
    down = cv2.reduce(cv2.bitwise_xor(flat[1:], flat[:-1]), 1, cv2.REDUCE_MAX)
    return {
        "row_mean_sd": float(rows.std()),
        "column_mean_sd": float(columns.std()),
        "row_banding": float(np.square(np.diff(rows)).mean() ** 0.5),
        "column_banding": float(np.square(np.diff(columns)).mean() ** 0.5),
        "stuck_rows": float((down == 0).mean()),
        "stuck_columns": float((across == 0).mean()),
    }


def _part_means(plane: Plane, side: int) -> Plane:
    """Means of side x side parts, by OpenCV's integral image."""
    sums = cv2.integral(plane, sdepth=cv2.CV_64F)
    rows, columns = ([i * n // side for i in range(side + 1)] for n in plane.shape)
    parts = np.diff(np.diff(sums[np.ix_(rows, columns)], axis=0), axis=1)
    return parts / (np.diff(rows)[:, None] * np.diff(columns))


def _arrangement(luma: Plane) -> dict[str, float]:
    mean = _part_means(luma, 8)
    square = _part_means(cv2.multiply(luma, luma, dtype=cv2.CV_16U), 8)
    sd = np.sqrt(np.maximum(square - mean * mean, 0))
    inner = mean[2:6, 2:6]
    return {
        "local_sd_mean": float(sd.mean()),
        "local_sd_sd": float(sd.std()),
        "local_mean_sd": float(mean.std()),
        "flat_cells": float((sd < 0.5).mean()),
        "trend_x": float(mean[:, 4:].mean() - mean[:, :4].mean()),
        "trend_y": float(mean[4:].mean() - mean[:4].mean()),
        "center_surround": float(inner.mean() - (mean.sum() - inner.sum()) / 48),
        "asymmetry_x": float(np.abs(mean - mean[:, ::-1]).mean()),
        "asymmetry_y": float(np.abs(mean - mean[::-1]).mean()),
    }


def _grid(luma: Plane) -> dict[str, float]:
    side = 32 if min(luma.shape) >= 32 else 16
    grid = _part_means(luma, side)
    grid -= grid.mean()
    variance = float(np.square(grid).mean()) + 1
    found = {}
    for k in (1, 2, 4, 8):
        found[f"correlation_{k}x"] = float((grid[:, :-k] * grid[:, k:]).mean()) / variance
        found[f"correlation_{k}y"] = float((grid[:-k] * grid[k:]).mean()) / variance
    power = np.abs(np.fft.fft2(grid * np.outer(np.hanning(side), np.hanning(side)))) ** 2
    frequency = np.abs(np.fft.fftfreq(side)) * 2
    ring = np.floor(8 * np.hypot(frequency[:, None], frequency[None]) + 1e-9).astype(int)
    rings = np.array([power[ring == k].mean() for k in range(8)])
    ratios = np.log((rings + 1) / (rings.mean() + 1))
    return found | {f"spectrum_{k}": float(v) for k, v in enumerate(ratios)}
