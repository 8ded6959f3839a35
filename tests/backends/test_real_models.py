"""Real models through card, preprocessing, tapped copy and backend: their published accuracy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache

import numpy as np
import pytest
from realdata import images, linked_model, needs_data

from edge_guard.backends import open_backend, taps
from edge_guard.backends.infer import load_card
from edge_guard.backends.preprocess import Preprocess
from edge_guard.backends.taps import TappedModel, tap_model
from edge_guard.card import Card
from edge_guard.types import Array, Image

pytestmark = needs_data

PCB = "deeppcb_patches_test"
CIFAR = "cifar10_test"
ACCURACY = [
    ("pcb_simplecnn_int8_onnx", PCB, 0.9216),
    ("pcb_simplecnn_fp32_onnx", PCB, 0.9193),
    ("pcb_simplecnn_int8_tflite", PCB, 0.921),
    ("pcb_mobilenetv2_int8_onnx", PCB, 0.9611),
    ("resnet8_cifar10_int8", CIFAR, 0.7475),
    ("resnet8_cifar10_int8", "cifar10_lossless", 0.8537),
    ("resnet8_cifar10_float", CIFAR, 0.74),
    ("cifar10_resnet_2b_onnx", CIFAR, 0.6865),
]


Run = Callable[[str, Sequence[Image]], tuple[Array, TappedModel]]


@pytest.fixture(scope="module")
def outputs_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """The model's own outputs for pictures, through its tapped copy; models are tapped once."""

    @cache
    def tapped(name: str) -> tuple[TappedModel, Card]:
        path = linked_model(name, tmp_path_factory.mktemp(name))
        card = load_card(path).card
        return tap_model(path, card), card

    def run(name: str, pictures: Sequence[Image]) -> tuple[Array, TappedModel]:
        found, card = tapped(name)
        backend = open_backend(found.model, found.plan, kind=found.kind)
        preprocess = Preprocess(card.input, backend.input)
        rows = []
        for picture in pictures:
            preprocess(picture, backend.tensor)
            rows.append(backend.run().main.copy())
        return np.array(rows), found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(taps, "_TIMING_SECONDS", 0.4)
        patch.setattr(taps, "_CHECKING_SECONDS", 0.2)
        yield run


@pytest.mark.parametrize(("model", "dataset", "accuracy"), ACCURACY)
def test_accuracy_is_the_published_one(
    outputs_of: Run, model: str, dataset: str, accuracy: float
) -> None:
    pictures = images(dataset)
    outputs, found = outputs_of(model, pictures.images)
    measured = float(np.mean(outputs.argmax(axis=1) == pictures.labels))
    # Kernels of other processors round differently; the figures are of x86 with XNNPACK.
    assert measured == pytest.approx(accuracy, abs=0.004)
    assert [tap.height * tap.width > 1 for tap in found.plan.taps] == [True, True, True, False]
    limit = max(taps.COST_SHARE * found.model_us, taps.COST_FLOOR_US)
    assert found.tap_us <= 2 * limit  # generous: the machine may be busy


def test_imagenet_classifier(outputs_of: Run) -> None:
    pictures = images("imagenet_sample_a")
    cut = [middle(picture, 224) for picture in pictures.images]
    outputs, found = outputs_of("mobilenet_v2_coral_quant", cut)
    assert np.mean(outputs.argmax(axis=1) == pictures.labels + 1) == pytest.approx(0.9067, abs=0.01)
    assert found.plan.logits is not None
    assert found.plan.logits.name == "MobilenetV2/Logits/Squeeze1"
    assert found.plan.taps[-1].channels == 1280


def test_imagenet_classifier_with_the_cards_own_crop(outputs_of: Run) -> None:
    pictures = images("imagenet_sample_a")
    outputs, _ = outputs_of("mobilenet_v2_coral_quant", pictures.images[:150])
    assert np.mean(outputs.argmax(axis=1) == pictures.labels[:150] + 1) > 0.85


def test_embedding_separates_normal_from_defect(outputs_of: Run) -> None:
    """Worth its published 5-NN AUROC on solar cells only with the right preprocessing."""
    pictures = images("elpv_a")
    outputs, found = outputs_of("mobilenet_v1_embedding_coral_quant", pictures.images)
    assert found.plan.taps[-1] == found.plan.main
    assert found.plan.logits is None
    features = outputs.astype(np.float64)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    good = np.flatnonzero(pictures.labels == 0)
    bank, fresh = good[::2], good[1::2]
    bad = np.flatnonzero(pictures.labels == 1)
    distance = np.sort(1 - features @ features[bank].T, axis=1)[:, :5].mean(axis=1)
    auroc = np.mean(distance[bad][:, None] > distance[fresh][None, :])
    assert auroc > 0.75


def middle(picture: Image, side: int) -> Image:
    """The central square, as the published accuracy was measured (shorter side 256, crop 224)."""
    top, left = ((size - side) // 2 for size in picture.shape[:2])
    return picture[top : top + side, left : left + side]
