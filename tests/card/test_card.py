"""Model cards: read strictly, inferred aloud, checked against the model."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import qdq_net, residual_net, single_node, uint8_net

from edge_guard.backends.infer import infer_card, load_card
from edge_guard.backends.scalings import USUAL, candidate_cards, fitting_scaling
from edge_guard.backends.spec import TensorSpec
from edge_guard.backends.tables import pixel_tables
from edge_guard.backends.taps import tap_model
from edge_guard.card import Card, InputCard, OutputCard, TapsCard, read_card
from edge_guard.errors import CardError

WHOLE = """
[input]
color = "bgr"
resize = "letterbox"
mean = [1, 2.5, 3]
std = [4, 5, 6.5]
[output]
task = "classify"
activation = "softmax"
labels = ["ok", "scratch"]
[taps]
features = "pool"
maps = ["a", "b"]
"""


def write(folder: Path, text: str) -> Path:
    (folder / "part.toml").write_text(text, encoding="utf-8")
    return folder / "part.onnx"


def test_reads_every_key(tmp_path: Path) -> None:
    assert read_card(write(tmp_path, WHOLE)) == Card(
        InputCard("bgr", "letterbox", (1.0, 2.5, 3.0), (4.0, 5.0, 6.5)),
        OutputCard("classify", "softmax", ("ok", "scratch")),
        TapsCard("pool", ("a", "b")),
    )


def test_an_empty_card_is_all_defaults(tmp_path: Path) -> None:
    assert read_card(write(tmp_path, "")) == Card()


def test_no_card_is_none_but_a_named_one_must_exist(tmp_path: Path) -> None:
    assert read_card(tmp_path / "part.onnx") is None
    with pytest.raises(CardError, match=r"absent\.toml"):
        read_card(tmp_path / "part.onnx", tmp_path / "absent.toml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[input]\ncolour = 'rgb'", r"part\.toml:2: input\.colour: unknown key.*'color'"),
        ("[inputs]", r"inputs: unknown key.*'input'"),
        ("[input]\ncolor = 'rbg'", r"input\.color.*rbg"),
        ("[input]\nmean = 'high'", r"input\.mean"),
        ("[input]\nmean = [1, 2]", r"\[input\] mean = \[1\.0, 2\.0\]"),
        ("[input]\nstd = []", r"\[input\] std = \[\]"),
        ("[input]\nstd = [0]", "must not be zero"),
        ("[input]\nmean = [nan]", r"mean = \[nan\]"),
        ("[output]\ntask = 'classify'\ndecoder = 'yolo'", 'task = "detect"'),
        ("[output]\nlabels = [1, 2]", r"output\.labels"),
        ("[input\n", "not TOML"),
        ("input = 3", "expected a table"),
        ("[input]\nx = 1\ny = 2", r"and 1 more"),
    ],
)
def test_wrong_cards_are_refused_with_file_and_key(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(CardError, match=said) as caught:
        read_card(write(tmp_path, text))
    assert "part.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_labels_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("ok\r\nKratzer groß\n\n", encoding="utf-8")
    card = read_card(write(tmp_path, '[output]\nlabels = "names.txt"'))
    assert card is not None
    assert card.output.labels == ("ok", "Kratzer groß")


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "No such file"), (b"a\n\nb\n", r"names\.txt:2: an empty line"), (b"\xff\xfe", "UTF-8")],
)
def test_unreadable_labels(tmp_path: Path, content: bytes | None, said: str) -> None:
    if content is not None:
        (tmp_path / "names.txt").write_bytes(content)
    with pytest.raises(CardError, match=said):
        read_card(write(tmp_path, '[output]\nlabels = "names.txt"'))


@settings(deadline=None, max_examples=150)
@given(data=st.binary(max_size=120))
def test_any_bytes_are_a_card_or_a_card_error(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.toml"
    path.write_bytes(data)
    try:
        assert isinstance(read_card(path, path), Card)
    except CardError as error:
        assert "fuzz.toml" in str(error)


def model(folder: Path, data: bytes) -> Path:
    path = folder / "part.onnx"
    path.write_bytes(data)
    return path


def test_load_card_prefers_the_file(tmp_path: Path) -> None:
    write(tmp_path, WHOLE)
    loaded = load_card(str(model(tmp_path, b"not read")))
    assert loaded.labels == loaded.card.output.labels == ("ok", "scratch")
    assert loaded.said == ()


@pytest.mark.parametrize(
    ("data", "expected", "said"),
    [
        (residual_net(), Card(InputCard("rgb", std=(255.0,))), "0 to 1"),
        (residual_net(channels=1), Card(InputCard("gray", std=(255.0,))), "gray"),
        (
            residual_net(end="Softmax"),
            Card(InputCard("rgb", std=(255.0,)), OutputCard(activation="softmax")),
            "ending in softmax",
        ),
        (
            residual_net(end="Sigmoid"),
            Card(InputCard("rgb", std=(255.0,)), OutputCard(activation="sigmoid")),
            "ending in sigmoid",
        ),
        (qdq_net(), Card(InputCard("gray", mean=(127.5,), std=(127.5,))), "-1 to 1"),
        (uint8_net(), Card(InputCard("rgb", mean=(127.5,), std=(127.5,))), "-1 to 1"),
        (
            single_node("GlobalAveragePool", [1, 3, 16, 16], out_shape=[1, 3, 1, 1]),
            Card(InputCard("rgb", std=(255.0,)), OutputCard(task="embed")),
            "features",
        ),
    ],
)
def test_inferred_cards_say_what_they_assume(
    tmp_path: Path, data: bytes, expected: Card, said: str
) -> None:
    card, sentences = infer_card(model(tmp_path, data))
    assert msgspec.structs.astuple(card.output) == msgspec.structs.astuple(expected.output)
    assert card.input.color == expected.input.color
    assert card.input.mean == pytest.approx(expected.input.mean, abs=1e-3)
    assert card.input.std == pytest.approx(expected.input.std, abs=1e-3)
    assert any(said in sentence for sentence in sentences)
    assert "no model card" in sentences[0]


def test_an_unusual_range_is_taken_as_it_is() -> None:
    spec = TensorSpec("x", "int8", 8, 8, 3, True, 0.037, -31)
    scaling = fitting_scaling(spec)
    assert scaling.words == "the input's own range"
    table = pixel_tables(scaling.card(InputCard("rgb")), spec)
    assert np.array_equal(table[0], np.arange(-128, 128))


def test_a_map_cannot_be_inferred(tmp_path: Path) -> None:
    with pytest.raises(CardError, match=r"part\.toml with \[output\] task"):
        infer_card(model(tmp_path, single_node("Relu", [1, 3, 16, 16])))


@pytest.mark.parametrize(
    ("data", "card", "said"),
    [
        (residual_net(), Card(output=OutputCard(labels=("a", "b"))), "2 labels, the model 5"),
        (residual_net(channels=1), Card(), 'color = "gray"'),
        (residual_net(), Card(InputCard("rgb", mean=(1.0, 2.0))), "mean has 2 values"),
        (residual_net(end="Softmax"), Card(), "ends in softmax"),
        (residual_net(end="Sigmoid"), Card(output=OutputCard(activation="softmax")), "sigmoid"),
        (residual_net(), Card(output=OutputCard(activation="softmax")), "sum to 1"),
        (residual_net(), Card(output=OutputCard(activation="sigmoid")), "range from"),
        (single_node("Relu", [1, 3, 16, 16]), Card(), "is a map"),
        (
            single_node("ReduceMean", [1, 3, 16, 16], out_shape=[1, 1, 1, 1], axes=None),
            Card(),
            "1 output",
        ),
    ],
)
def test_cards_that_contradict_their_model(
    tmp_path: Path, data: bytes, card: Card, said: str
) -> None:
    with pytest.raises(CardError, match=said) as caught:
        tap_model(model(tmp_path, data), card)
    assert "part.onnx" in str(caught.value)


def test_probabilities_that_are_called_logits(tmp_path: Path) -> None:
    net = onnx.load_model_from_string(residual_net(end="Softmax"))
    net.graph.node.pop()
    net.graph.node.extend(
        [
            onnx.helper.make_node("Exp", ["logits"], ["e"]),
            onnx.helper.make_node("ReduceSum", ["e"], ["s"], keepdims=1),
            onnx.helper.make_node("Div", ["e", "s"], ["y"]),
        ]
    )
    card = Card(InputCard("rgb", mean=(127.5,), std=(127.5,)))
    with pytest.raises(CardError, match='write activation = "softmax"'):
        tap_model(model(tmp_path, net.SerializeToString()), card)


@pytest.mark.parametrize("usual", USUAL, ids=lambda usual: usual.words)
def test_a_scaling_is_found_again_from_the_quantization_it_leads_to(usual: object) -> None:
    low = min((0 - m) / s for m, s in zip(usual.mean, usual.std, strict=True))
    high = max((255 - m) / s for m, s in zip(usual.mean, usual.std, strict=True))
    scale = (high - low) / 255
    spec = TensorSpec("x", "uint8", 8, 8, 3, True, scale, round(-low / scale))
    card = fitting_scaling(spec).card(InputCard("rgb"))
    found, meant = pixel_tables(card, spec), pixel_tables(usual.card(InputCard("rgb")), spec)
    tolerance = 25 if len(usual.mean) == 3 else 1  # ImageNet's channels differ; the range is one
    assert np.abs(found.astype(int) - meant.astype(int)).max() <= tolerance


def test_candidates_cover_colour_orders_and_scalings() -> None:
    given = Card(InputCard("rgb", mean=(1.0, 2.0, 3.0), std=(9.0, 8.0, 7.0)))
    spec = TensorSpec("x", "float32", 8, 8, 3)
    found = candidate_cards(given, spec)
    assert found[0] == given
    assert len(found) == len({repr(card) for card in found}) == 2 * (1 + len(USUAL))
    mirrored = next(c for c in found if c.input.color == "bgr")
    assert mirrored.input.mean == (3.0, 2.0, 1.0)
    imagenet = [c for c in found if c.input.mean[0] == 123.675]
    assert [c.input.color for c in imagenet] == ["rgb"]


def test_candidates_of_an_integer_input_keep_enough_levels() -> None:
    spec = TensorSpec("x", "uint8", 8, 8, 1, True, 1 / 128, 128)
    given = Card(InputCard("gray", mean=(128.0,), std=(128.0,)))
    found = candidate_cards(given, spec)
    assert given in found
    for card in found:
        assert len(np.unique(pixel_tables(card.input, spec))) >= 64
    assert not any(card.input.std == (1.0,) for card in found)  # raw pixels would all be clipped
