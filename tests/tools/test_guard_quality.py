"""The measuring tools themselves: fair draws, fair pictures, peers that compute what they say."""

from __future__ import annotations

import numpy as np
import pytest
from guard_quality.compare import Comparison, Pair
from guard_quality.domains import CIFAR, deliver, distinct, draw, foreign
from guard_quality.guarded import Features
from guard_quality.peers import head_error, linear_head
from guard_quality.tables import comparisons
from promises.thresholds import confident, marginal
from realdata import Pictures, needs_data


@pytest.mark.parametrize("shape", [(64, 64), (32, 32, 3), (200, 90, 3)])
@pytest.mark.parametrize("size", [(28, 28), (300, 300), (256, 341, 3), (31, 200, 3)])
def test_foreign_images_come_in_the_lines_size_and_channels(size, shape):
    image = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    assert deliver(image, shape).shape == shape


def test_delivery_crops_the_centre_and_keeps_its_content():
    image = np.zeros((60, 120), np.uint8)
    image[:, 40:80] = 200
    assert deliver(image, (30, 30))[:, 6:24].min() == 200
    assert np.array_equal(deliver(image, (60, 120)), image)


def test_repetitions_are_left_out():
    pictures = Pictures(np.array([[[1]], [[2]], [[1]]], np.uint8), np.zeros(3, int), np.arange(3))
    assert distinct(pictures).tolist() == [0, 1]


@needs_data
def test_references_and_held_out_images_do_not_overlap():
    split = draw(CIFAR, 300, 500, 7)
    assert (len(split.references), len(split.held_out)) == (300, 500)
    seen = {x.tobytes() for x in split.references}
    assert not seen & {x.tobytes() for x in split.held_out}
    again = draw(CIFAR, 300, 500, 7)
    assert all(map(np.array_equal, split.references, again.references))
    assert len(foreign("fashion", split.references, 20, 7)) == 20


def test_the_last_layers_weights_are_recovered():
    rng = np.random.default_rng(1)
    weight, bias = rng.normal(size=(5, 20)), rng.normal(size=5)
    x = rng.normal(size=(200, 20)).astype(np.float32)
    seen = Features(x, (x @ weight.T + bias).astype(np.float32))
    head = linear_head(seen)
    np.testing.assert_allclose(head[0], weight, atol=1e-4)
    np.testing.assert_allclose(head[1], bias, atol=1e-4)
    assert head_error(seen, head) < 1e-9


def test_the_tables_name_the_best_single_detector_and_the_distance_to_it():
    scores = {"fused": 0.99, "msp": 0.7, "1-nn": 0.95}
    pair = Pair("resnet8_cifar10_int8", "fashion", 9, scores, dict.fromkeys(scores, 0.1), 0.5)
    kin = Pair("resnet8_cifar10_int8", "imagenet", 9, scores | {"fused": 0.5}, pair.fpr95, 0.5)
    found = Comparison("m", 300, 600, 0.75, 6, 0.01, "confident", 0.0, [pair, kin])
    text = "\n".join(comparisons([found]))
    assert "| **0.9500** | +0.0400 |" in text
    assert "imagenet*" in text
    assert "without pairs that share classes (*): 1 pairs, mean AUROC 0.9900" in text


def test_a_broken_promise_is_called_broken():
    rng = np.random.default_rng(2)
    assert marginal("", rng.normal(0.010, 0.002, 400), 0.01).kept
    assert not marginal("", rng.normal(0.012, 0.002, 400), 0.01).kept
    assert confident("", np.r_[np.full(48, 0.02), np.full(952, 0.005)], 0.01).kept
    assert not confident("", np.r_[np.full(80, 0.02), np.full(920, 0.005)], 0.01).kept
