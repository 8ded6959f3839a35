"""Wrong cards are found by labelled references, right ones are left alone."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from realdata import images, linked_model, needs_data

from edge_guard.backends.infer import load_card
from edge_guard.calibration.preprocessing import check_preprocessing, differences
from edge_guard.calibration.references import Reference
from edge_guard.calibration.truth import refuse_contradiction
from edge_guard.card import Card, InputCard
from edge_guard.errors import CardError

MODELS = {
    "pcb_simplecnn_int8_onnx": "deeppcb_patches_test",
    "pcb_simplecnn_int8_tflite": "deeppcb_patches_test",
    "resnet8_cifar10_int8": "cifar10_test",
    "cifar10_resnet_2b_onnx": "cifar10_test",
}


def labelled(
    name: str, folder: Path, n: int
) -> tuple[Path, Card, tuple[str, ...], list[Reference]]:
    """A real model with its card, and n labelled references of its own domain."""
    file = linked_model(name, folder)
    card, labels, _ = load_card(file, None)
    pictures = images(MODELS[name])
    rows = np.random.default_rng(0).permutation(len(pictures.images))[:n]
    found = [
        Reference(str(i), labels[pictures.labels[i]], lambda i=i: pictures.images[i]) for i in rows
    ]
    return file, card, labels, found


def with_input(card: Card, **changes: object) -> Card:
    return msgspec.structs.replace(card, input=msgspec.structs.replace(card.input, **changes))


@needs_data
@pytest.mark.parametrize("name", MODELS)
def test_right_cards_stay(name: str, tmp_path: Path) -> None:
    file, card, labels, references = labelled(name, tmp_path, 200)
    assert check_preprocessing(file, card, references, labels, inferred=False) == (card, ())


@needs_data
@pytest.mark.parametrize(
    ("name", "wrong", "named"),
    [
        ("pcb_simplecnn_int8_onnx", {"mean": (0.0,), "std": (255.0,)}, r"mean = \[127.5\]"),
        ("pcb_simplecnn_int8_tflite", {"mean": (0.0,), "std": (1.0,)}, r"mean = \[12[78]"),
        ("resnet8_cifar10_int8", {"std": (255.0,)}, r"std = \[1.0\]"),
        ("cifar10_resnet_2b_onnx", {"color": "bgr"}, 'color = "rgb"'),
    ],
)
def test_wrong_cards_are_named_or_corrected(
    name: str, wrong: dict[str, object], named: str, tmp_path: Path
) -> None:
    file, card, labels, references = labelled(name, tmp_path, 200)
    bad = with_input(card, **wrong)
    with pytest.raises(CardError, match=named):
        check_preprocessing(file, bad, references, labels, inferred=False)
    taken, said = check_preprocessing(file, bad, references, labels, inferred=True)
    assert taken != bad
    assert "correct what was assumed" in said[0]


@needs_data
def test_few_labels_decide_nothing(tmp_path: Path) -> None:
    file, card, labels, references = labelled("pcb_simplecnn_int8_onnx", tmp_path, 29)
    bad = with_input(card, mean=(0.0,), std=(1.0,))
    assert check_preprocessing(file, bad, references, labels, inferred=False) == (bad, ())


def test_differences_read_like_a_card() -> None:
    found = differences(InputCard(), InputCard("bgr", "letterbox", (127.5,), (127.5,)))
    assert found == 'color = "bgr", resize = "letterbox", mean = [127.5], std = [127.5]'


def test_labels_in_another_order_are_refused() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(4, size=200)
    predicted = np.where(rng.random(200) < 0.9, (truth + 1) % 4, truth)
    labels = ("ok", "scratch", "dent", "stain")
    with pytest.raises(CardError, match=r"folder 'stain' are answered 'ok'; in another order"):
        refuse_contradiction(predicted, truth, labels)
    refuse_contradiction(truth, truth, labels)
    refuse_contradiction(rng.integers(4, size=200), truth, labels)
    refuse_contradiction(predicted[:29], truth[:29], labels)
