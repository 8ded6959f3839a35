"""The image statistics in NumPy, written from the definitions at the top of csrc/statistics.cpp."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
Plane = npt.NDArray[np.int64]
Values = dict[str, float]
EPS = 0.5


def luma(image: Image) -> Plane:
    if image.ndim == 2:
        return image.astype(np.int64)
    blue, green, red = image.astype(np.int64).transpose(2, 0, 1)
    return (77 * red + 150 * green + 29 * blue) >> 8


def tone_rows(y: Plane) -> Plane:
    """The rows that places, rows and columns are measured on."""
    return y if len(y) < 256 else y[::4]


def bands(y: Plane) -> list[Plane]:
    """The rows on end that edges, noise and patterns are measured on."""
    if len(y) < 256:
        return [y]
    period = 8 * -(-len(y) // 128)
    return [y[top : top + 8] for top in range(0, len(y) - 7, period)]


def distribution(y: Plane) -> Values:
    levels = y.ravel()
    sd = levels.std()
    z = (levels - levels.mean()) / (sd or 1)
    shares = np.bincount(levels, minlength=256) / levels.size
    seen = shares[shares > 0]
    percentiles = {
        f"p{q}": float(np.percentile(levels, q, method="inverted_cdf"))
        for q in (1, 5, 25, 50, 75, 95, 99)
    }
    return percentiles | {
        "mean": levels.mean(),
        "sd": sd,
        "skewness": (z**3).mean(),
        "kurtosis": (z**4).mean() - 3 if sd > 0 else 0,
        "clipped_low": shares[:2].sum(),
        "clipped_high": shares[254:].sum(),
        "entropy": -(seen * np.log2(seen)).sum(),
    }


def differences(y: Plane) -> tuple[Plane, Plane]:
    return y[:-1, 1:] - y[:-1, :-1], y[1:, :-1] - y[:-1, :-1]


def laplacian(y: Plane) -> Plane:
    return 4 * y[1:-1, 1:-1] - y[:-2, 1:-1] - y[2:, 1:-1] - y[1:-1, :-2] - y[1:-1, 2:]


def both_differences(parts: list[Plane]) -> tuple[Plane, Plane]:
    gx, gy = zip(*map(differences, parts), strict=True)
    return np.concatenate(gx), np.concatenate(gy)


def gradients(parts: list[Plane], sd: float) -> Values:
    gx, gy = both_differences(parts)
    both = np.concatenate([gx, gy])
    rms, absolute = np.sqrt((both**2).mean()), np.abs(both).mean()
    energy = (gx**2).sum() + (gy**2).sum() or 1
    along = ((gx**2).sum() - (gy**2).sum()) / energy
    across = 2 * (gx * gy).sum() / energy
    laplacian_sd = np.concatenate([laplacian(part) for part in parts]).std()
    return {
        "gradient_x": np.abs(gx).mean(),
        "gradient_y": np.abs(gy).mean(),
        "tenengrad": (gx**2 + gy**2).mean(),
        "gradient_sparsity": np.log((rms + EPS) / (absolute + EPS)),
        "edge_share": (np.abs(gx) + np.abs(gy) >= 32).mean(),
        "coherence": np.hypot(along, across),
        "orientation_cos": along,
        "orientation_sin": across,
        "laplacian_sd": laplacian_sd,
        "focus": np.log((laplacian_sd + EPS) / (sd + EPS)),
    }


def diagonals(y: Plane) -> Plane:
    y = y[: y.shape[0] // 2 * 2, : y.shape[1] // 2 * 2]
    return np.abs(y[::2, ::2] - y[::2, 1::2] - y[1::2, ::2] + y[1::2, 1::2]).ravel()


def noise(parts: list[Plane]) -> Values:
    diagonal = np.concatenate([diagonals(part) for part in parts])
    level = int(np.percentile(diagonal, 50, method="inverted_cdf"))
    below, here = (diagonal < level).sum(), (diagonal == level).sum()
    median = level - 1 + (diagonal.size / 2 - below) / here if level > 0 else 0
    return {
        "noise": 1.4826 / 2 * median,
        "noise_mean": np.sqrt(np.pi / 2) / 2 * diagonal.mean(),
    }


RING = ((-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1))


def patterns(parts: list[Plane]) -> Values:
    labels = np.concatenate([pattern_labels(part) for part in parts])
    names = [f"lbp_{k}" for k in range(9)] + ["lbp_other"]
    return {name: (labels == k).mean() for k, name in enumerate(names)}


def pattern_labels(y: Plane) -> Plane:
    height, width = y.shape
    centre = y[1:-1, 1:-1]
    bits = [y[1 + dy : height - 1 + dy, 1 + dx : width - 1 + dx] >= centre for dy, dx in RING]
    ones = np.sum(bits, axis=0)
    steps = np.sum([a != b for a, b in itertools.pairwise([*bits, bits[0]])], axis=0)
    return np.where(steps <= 2, ones, 9)


def halve(y: Plane) -> Plane:
    y = y[: y.shape[0] // 2 * 2, : y.shape[1] // 2 * 2]
    return (y[::2, ::2] + y[::2, 1::2] + y[1::2, ::2] + y[1::2, 1::2] + 2) // 4


def halve_rows(y: Plane) -> Plane:
    y = y[:, : y.shape[1] // 2 * 2]
    return (y[:, ::2] + y[:, 1::2] + 1) // 2


def pyramid(y: Plane) -> list[list[Plane]]:
    """Of each scale, the parts that it is measured on."""
    fine = [bands(y), [halve(part) for part in bands(y)]]
    quarter = halve(fine[1][0]) if len(y) < 256 else halve_rows(halve_rows(tone_rows(y)))
    return [*fine, [quarter], [halve(quarter)]]


def scales(y: Plane) -> Values:
    values: Values = {}
    for factor, parts in zip((1, 2, 4, 8), pyramid(y), strict=True):
        gx, gy = both_differences(parts)
        values[f"gradient_{factor}x"] = np.log1p((gx**2 + gy**2).mean())
        inner = [laplacian(p) if min(p.shape) > 2 else np.zeros((1, 1)) for p in parts]
        values[f"laplacian_{factor}x"] = np.log1p((np.concatenate(inner) ** 2).mean())
    return values


def chroma(image: Image) -> Values:
    names = ("log_rg", "log_bg", "saturation_mean", "rg_sd", "bg_sd")
    if image.ndim == 2:
        return dict.fromkeys(names, 0.0)
    blue, green, red = image.astype(np.int64).transpose(2, 0, 1)
    return {
        "log_rg": np.log((red.mean() + 1) / (green.mean() + 1)),
        "log_bg": np.log((blue.mean() + 1) / (green.mean() + 1)),
        "saturation_mean": np.ptp(image.astype(np.int64), axis=2).mean(),
        "rg_sd": (red - green).std(),
        "bg_sd": (blue - green).std(),
    }


def banding(image: Image, y: Plane) -> Values:
    tones = tone_rows(y)
    rows, columns = tones.mean(1), tones.mean(0)
    steps = np.concatenate([np.diff(part.mean(1)) for part in bands(y)])
    flat = image.reshape(len(image), -1)
    return {
        "row_mean_sd": rows.std(),
        "column_mean_sd": columns.std(),
        "row_banding": np.sqrt((steps**2).mean()),
        "column_banding": np.sqrt((np.diff(columns) ** 2).mean()),
        "stuck_rows": (flat[1:] == flat[:-1]).all(1).mean(),
        "stuck_columns": (tones[:, 1:] == tones[:, :-1]).all(0).mean(),
    }


def row_limits(height: int, parts: int) -> list[int]:
    """Where each of so many parts begins among the tone rows, and where the last one ends."""
    step = 1 if height < 256 else 4
    return [-(-(k * height // parts) // step) for k in range(parts + 1)]


def grid(y: Plane) -> npt.NDArray[np.float64]:
    """Means of 32×32 parts (16×16 for small pictures), less their mean."""
    side = 32 if min(y.shape) >= 32 else 16
    rows = row_limits(len(y), side)
    columns = [k * y.shape[1] // side for k in range(side + 1)]
    sums = np.add.reduceat(np.add.reduceat(tone_rows(y), rows[:-1], 0), columns[:-1], 1)
    means = sums / (np.diff(rows)[:, None] * np.diff(columns))
    return means - means.mean()


def correlations(y: Plane) -> Values:
    g = grid(y)
    variance = (g**2).mean() + 1
    lags = (1, 2, 4, 8)
    along = {f"correlation_{k}x": (g[:, :-k] * g[:, k:]).mean() / variance for k in lags}
    return along | {f"correlation_{k}y": (g[:-k] * g[k:]).mean() / variance for k in lags}


def spectrum(y: Plane) -> Values:
    g = grid(y)
    side = len(g)
    power = np.abs(np.fft.fft2(g * np.outer(np.hanning(side), np.hanning(side)))) ** 2
    frequency = np.abs(np.fft.fftfreq(side)) * 2
    ring = np.floor(8 * np.hypot(frequency[:, None], frequency[None]) + 1e-9).astype(int)
    rings = np.array([power[ring == k].mean() for k in range(8)])
    return {f"spectrum_{k}": np.log((v + 1) / (rings.mean() + 1)) for k, v in enumerate(rings)}


def cells(y: Plane) -> npt.NDArray[np.float64]:
    """(2, 8, 8): means and standard deviations."""
    rows, tones, width = row_limits(len(y), 8), tone_rows(y), y.shape[1]
    parts = [
        [tones[rows[i] : rows[i + 1], j * width // 8 : (j + 1) * width // 8] for j in range(8)]
        for i in range(8)
    ]
    return np.array([[[f(part) for part in row] for row in parts] for f in (np.mean, np.std)])


def arrangement(y: Plane) -> Values:
    mean, sd = cells(y)
    inner = mean[2:6, 2:6]
    return {
        "local_sd_mean": sd.mean(),
        "local_sd_sd": sd.std(),
        "local_mean_sd": mean.std(),
        "flat_cells": (sd < 0.5).mean(),
        "trend_x": mean[:, 4:].mean() - mean[:, :4].mean(),
        "trend_y": mean[4:].mean() - mean[:4].mean(),
        "center_surround": inner.mean() - (mean.sum() - inner.sum()) / 48,
        "asymmetry_x": np.abs(mean - mean[:, ::-1]).mean(),
        "asymmetry_y": np.abs(mean - mean[::-1]).mean(),
    }


def levels(y: Plane) -> Values:
    counts = np.bincount(y.ravel(), minlength=256)
    shares = counts.reshape(16, 16).sum(1) / y.size
    upwards, downwards = counts.cumsum(), counts[::-1].cumsum()
    return {f"level_{b}": np.log(share + 0.003) for b, share in enumerate(shares)} | {
        "darkest": float(np.argmax(upwards * 4096 >= y.size)),
        "brightest": 255.0 - np.argmax(downwards * 4096 >= y.size),
    }


def statistics(image: Image) -> Values:
    y = luma(image)
    parts = bands(y)
    colours = image if len(y) < 256 else image[::8]
    tones = luma(colours)
    found = (distribution(tones), gradients(parts, tones.std()), noise(parts), patterns(parts),
             scales(y), chroma(colours), banding(image, y), arrangement(y),
             correlations(y), spectrum(y), levels(tones))  # fmt: skip
    return {name: float(value) for some in found for name, value in some.items()}
