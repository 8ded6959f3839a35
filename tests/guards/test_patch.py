"""The feature-map guard in NumPy against scikit-learn and plain loops, and against the kernel."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from edge_guard import _kernels
from edge_guard.guards import patch


def maps_of(n: int, height: int = 9, width: int = 8, channels: int = 40) -> np.ndarray:
    rng = np.random.default_rng(n)
    spread = np.linspace(3.0, 0.1, channels)
    return rng.normal(size=(n, height, width, channels)) * spread + 1.0


def test_places_are_averaged_with_their_neighbours() -> None:
    maps = maps_of(2, 4, 3, 2)
    expected = np.empty_like(maps)
    for n, y, x in np.ndindex(2, 4, 3):
        expected[n, y, x] = maps[n, max(0, y - 1) : y + 2, max(0, x - 1) : x + 2].mean((0, 1))
    np.testing.assert_allclose(patch.averaged(maps), expected)


def test_the_space_is_that_of_principal_components() -> None:
    maps = maps_of(20)
    places = patch.averaged(maps).reshape(-1, 40)
    expected = PCA(patch.DIMENSIONS).fit(places).transform(places)
    found = patch.fit_space(maps).describe(maps).reshape(expected.shape)
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-9)


def test_distances_and_scores_match_the_oracle() -> None:
    rng = np.random.default_rng(0)
    descriptors, bank = rng.normal(size=(5, 30, 7)), rng.normal(size=(40, 7))
    places = descriptors.reshape(-1, 7)
    expected = NearestNeighbors(n_neighbors=1).fit(bank).kneighbors(places)[0].reshape(5, 30)
    far = patch.distances(descriptors, bank)
    np.testing.assert_allclose(far, expected)
    assert patch.top_places(30) == 2
    scores = patch.frame_scores(far, 2)
    np.testing.assert_allclose(scores, np.sort(expected, axis=1)[:, -2:].mean(1))


def test_the_bank_is_nearly_as_tight_as_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    descriptors = rng.normal(size=(30, 50, 4))
    descriptors[::2] += 6.0
    places = descriptors.reshape(-1, 4)
    bank = patch.fit_bank(descriptors, 24, rng)
    ours = (patch.distances(descriptors, bank) ** 2).sum()
    theirs = KMeans(24, n_init=3, random_state=0).fit(places).inertia_
    assert bank.shape == (24, 4)
    assert ours < 1.1 * theirs


def test_few_places_are_the_bank() -> None:
    descriptors = np.random.default_rng(2).normal(size=(1, 6, 3))
    bank = patch.fit_bank(descriptors, 512, np.random.default_rng(3))
    np.testing.assert_allclose(patch.distances(descriptors, bank), 0.0, atol=1e-6)


@pytest.mark.parametrize("places", [1, 49, 196, 784, 4096])
def test_the_search_stays_within_its_budget(places: int) -> None:
    rows = patch.bank_rows(places, 1_000_000)
    assert 16 <= rows <= patch.BANK_ROWS
    assert rows == 16 or rows * places * patch.DIMENSIONS <= 1_000_000


def test_the_kernel_scores_what_was_fitted() -> None:
    maps = np.rint(maps_of(12) * 10).clip(-128, 127).astype(np.int8)
    space = patch.fit_space(maps * 0.1)
    descriptors = space.describe(maps * 0.1)
    bank = patch.fit_bank(descriptors[:6], 64, np.random.default_rng(4))
    far = patch.distances(descriptors, bank)
    arrays = space.arrays()
    fitted = _kernels.Patches(
        0, arrays["patches.basis"], arrays["patches.offset"], bank.astype(np.float32), 4
    )
    tensor = _kernels.Tensor("int8", 9, 8, 40, True, 0.1)
    scorer = _kernels.Scorer(None, False, 1.0, 0.1, 1, [tensor], 0, [], None, fitted)
    values, indices, seen = np.zeros(4), np.zeros(2, np.int32), np.zeros(72, np.float32)
    for row, stored in enumerate(maps):
        scorer.score(None, (stored,), np.zeros(0, np.float32), values, indices)
        scorer.distances(seen)
        np.testing.assert_allclose(seen, far[row], rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(values[0], patch.frame_scores(far, 4)[row], rtol=1e-4)


def test_gains_level_the_places_as_far_as_the_frames_allow() -> None:
    far = np.random.default_rng(5).uniform(0.9, 1.1, (4000, 6)) * [1, 1, 1, 1, 1, 3]
    levelled = (far * patch.place_gains(far)).mean(0)
    np.testing.assert_allclose(levelled, 1.0, rtol=0.05)
    one = patch.place_gains(far[:1])
    assert one[5] > 0.8 * one[0]  # one frame proves little
