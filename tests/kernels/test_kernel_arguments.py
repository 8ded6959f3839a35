"""Wrong arguments: refused by name, with what was expected and what came."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_oracles import scorer_of

from edge_guard import _kernels
from edge_guard._kernels import Scorer, Tensor, View

ZEROS = np.zeros((2, 4), np.float32)


def small_scorer() -> Scorer:
    return scorer_of(
        logits=Tensor("int8", 1, 1, 3),
        taps=[Tensor("uint8", 2, 2, 1)],
        n_statistics=4,
        views=[View(-1, bank=ZEROS), View(0)],
    )


def arguments() -> dict[str, Any]:
    return {
        "logits": np.zeros(3, np.int8),
        "taps": (np.zeros((1, 2, 2, 1), np.uint8),),
        "statistics": np.zeros(4, np.float32),
        "values": np.zeros(7),
        "indices": np.zeros(2, np.int32),
    }


def read_only(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array


def misaligned(n: int) -> np.ndarray:
    return np.zeros(4 * n + 1, np.uint8)[1:].view(np.float32)


def test_right_arguments_are_taken() -> None:
    small_scorer().score(**arguments())


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("logits", None, "logits: expected an array, got None"),
        ("logits", np.zeros(4, np.int8), r"logits: .*int8 with 3 values, got int8 of shape \(4,\)"),
        ("logits", np.zeros(3, np.uint8), "logits: .*int8 with 3 values, got uint8"),
        ("logits", np.zeros(3), "logits: .*got float64"),
        ("taps", (), "taps: expected 1 arrays, got 0"),
        ("taps", (None,), r"taps\[0\]: expected an array"),
        ("taps", (np.zeros(5, np.uint8),), r"taps\[0\]: .*uint8 with 4 values, got"),
        ("taps", (np.zeros(8, np.uint8)[::2],), r"taps\[0\]: .*not C-contiguous"),
        ("statistics", np.zeros(4), "statistics: .*float32 with 4 values, got float64"),
        ("statistics", np.zeros(4, ">f4"), "statistics: .*float32 with 4 values, got >f4"),
        ("statistics", misaligned(4), "statistics: "),
        ("values", np.zeros(6), "values: .*float64 with 7 values"),
        ("values", np.zeros(14)[::2], "values: .*not C-contiguous"),
        ("values", read_only(np.zeros(7)), "values: expected a writeable array"),
        ("indices", np.zeros(2, np.int64), "indices: .*int32 with 2 values, got int64"),
    ],
)
def test_wrong_buffers_are_refused(name: str, value: object, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        small_scorer().score(**{**arguments(), name: value})


def test_embed_checks_its_output() -> None:
    scorer = small_scorer()
    assert scorer.embedding_sizes == (4, 3)
    with pytest.raises(ValueError, match=r"out: .*float32 with 7 values"):
        scorer.embed(arguments()["taps"], arguments()["statistics"], np.zeros(6, np.float32))


@pytest.mark.parametrize(
    ("build", "problem"),
    [
        (lambda: Tensor("int16", 1, 1, 1), "dtype: expected float32, int8 or uint8, got 'int16'"),
        (lambda: Tensor("int8", 0, 1, 1), "height: expected at least 1, got 0"),
        (lambda: Tensor("int8", 1, 1, -3), "channels: expected at least 1, got -3"),
        (lambda: View(-2), "source: expected -1 or the index"),
        (lambda: View(0, -1), "normalize: expected at least 0"),
        (lambda: View(0, bank=np.zeros((2, 2))), "bank: expected C-contiguous float32"),
        (lambda: View(0, bank=np.full((1, 2), np.nan, np.float32)), "bank: expected finite"),
        (lambda: View(0, bank=np.zeros(4, np.float32)), r"bank: expected .*\(rows, columns\)"),
        (lambda: View(0, scale=np.full(2, np.inf, np.float32)), "scale: expected finite"),
        (lambda: View(0, center=np.full(2, np.nan, np.float32)), "center: expected finite"),
        (lambda: View(0, basis=ZEROS), "basis: given without means"),
        (lambda: View(0, means=ZEROS, basis=ZEROS[:, :3].copy()), "basis: .* columns as means"),
        (lambda: View(0, means=ZEROS, basis=ZEROS), "gain: expected one value for each row"),
        (lambda: View(0, means=ZEROS, perp=-1.0), "perp: expected a finite value"),
        (
            lambda: View(0, means=ZEROS, basis=ZEROS, gain=np.array([1, -1], np.float32)),
            "gain: expected values of at least 0",
        ),
        (lambda: scorer_of(temperature=0.0), "temperature: expected a finite value above 0"),
        (lambda: scorer_of(gamma=float("nan")), "gamma: expected a finite value above 0"),
        (lambda: scorer_of(top=0), "top: expected at least 1"),
        (lambda: scorer_of(n_statistics=-1), "n_statistics: expected at least 0"),
        (lambda: scorer_of(logits=Tensor("int8", 2, 1, 3)), "logits: expected height and width"),
        (lambda: scorer_of(taps=[Tensor("int8", 1, 40000, 1)]), r"taps\[0\]: .*at most 32768"),
        (lambda: scorer_of(taps=[Tensor("int8", 1, 1, 1, scale=0.0)]), r"taps\[0\]: .*scale"),
        (lambda: scorer_of(views=[View(0)]), r"views\[0\].source: 0 is not one of the 0 taps"),
        (lambda: scorer_of(views=[View(-1)]), r"views\[0\]: its source has no values"),
        (
            lambda: scorer_of(n_statistics=4, views=[View(-1, 3)]),
            r"views\[0\].normalize: 3 does not divide 4",
        ),
        (
            lambda: scorer_of(n_statistics=5, views=[View(-1, bank=ZEROS)]),
            r"views\[0\].bank: expected 5 values a row, got 4",
        ),
        (
            lambda: scorer_of(n_statistics=5, views=[View(-1, center=ZEROS[0])]),
            r"views\[0\].center: expected 5 values a row, got 4",
        ),
        (
            lambda: scorer_of(n_statistics=5, views=[View(-1), View(-1, means=ZEROS)]),
            r"views\[1\].means: expected 5 values a row, got 4",
        ),
    ],
)
def test_wrong_construction_is_refused(build: Callable[[], object], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        build()


def test_things_that_are_no_arrays_are_type_errors() -> None:
    with pytest.raises(TypeError):
        small_scorer().score(**{**arguments(), "statistics": [0.0] * 4})
    with pytest.raises(TypeError):
        _kernels.image_statistics([[0] * 16] * 16, np.zeros(64, np.float32), np.zeros(128))  # type: ignore[arg-type]


def test_fitted_arrays_are_copied() -> None:
    bank = np.zeros((1, 4), np.float32)
    scorer = scorer_of(n_statistics=4, views=[View(-1, bank=bank)])
    bank[:] = 9
    values, indices = np.zeros(4), np.zeros(2, np.int32)
    scorer.score(None, (), np.zeros(4, np.float32), values, indices)
    assert values[0] == 0


ODD_ARRAYS = st.one_of(
    st.none(),
    st.integers(),
    st.text(max_size=3),
    st.builds(
        lambda shape, dtype, step: np.zeros(shape, dtype)[::step],
        st.lists(st.integers(0, 5), min_size=1, max_size=4),
        st.sampled_from([np.int8, np.uint8, np.int32, np.float32, np.float64, ">f4", "U1", object]),
        st.sampled_from([1, 2, -1]),
    ),
)


@given(name=st.sampled_from(sorted(arguments())), value=ODD_ARRAYS)
def test_any_other_argument_is_taken_or_refused(name: str, value: object) -> None:
    """Never read beyond its end, never taken for something else: nothing but these two errors."""
    given_value = (value,) if name == "taps" else value
    with contextlib.suppress(ValueError, TypeError):
        small_scorer().score(**{**arguments(), name: given_value})


@given(
    parts=st.dictionaries(
        st.sampled_from(["scale", "means", "basis", "gain", "bank", "center", "contrast"]),
        ODD_ARRAYS,
    ),
    source=st.integers(-3, 3),
    normalize=st.integers(-2, 9),
)
def test_any_view_is_built_or_refused(parts: dict[str, Any], source: int, normalize: int) -> None:
    with contextlib.suppress(ValueError, TypeError):
        view = View(source, normalize, perp=1.0, **parts)
        scorer = scorer_of(n_statistics=4, taps=[Tensor("uint8", 2, 2, 1)], views=[view])
        values, indices = np.zeros(scorer.n_scores + 3), np.zeros(scorer.n_indices, np.int32)
        scorer.score(None, arguments()["taps"], np.zeros(4, np.float32), values, indices)
