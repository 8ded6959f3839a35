"""Shares: what the model answers and how often the guards flag, watched like everything else."""

from __future__ import annotations

import numpy as np
import pytest
from fixed_camera import Camera, fitted, pictures

from edge_guard.calibration.drift_likeness import Series
from edge_guard.calibration.drift_shares import answer_series, fit_share, is_share
from edge_guard.drift.channels import ANSWER, FLAGGED, OTHER_ANSWERS
from edge_guard.drift.cusum import Charts
from edge_guard.drift.incident import Report
from edge_guard.drift.monitor import Monitor
from edge_guard.drift.sensitivity import sentences, share_to_alarm
from edge_guard.drift.spec import ChannelSpec
from edge_guard.types import Frame, Result, Verdict

PROMISED = 1000.0


def answers(n: int, p: float, rho: float, rng: np.random.Generator) -> np.ndarray:
    """A Markov chain of 0 and 1 with share p and correlation ρ of neighbours."""
    said, last = np.zeros(n), float(rng.random() < p)
    for i, u in enumerate(rng.random(n)):
        said[i] = last = float(u < p * (1 - rho) + rho * last)
    return said


def share(
    values: np.ndarray, name: str = ANSWER + "x", run_length: float = PROMISED
) -> ChannelSpec:
    return fit_share(Series(name, values, np.zeros(len(values))), run_length, 1.0)[0]


def first_alarm(channel: ChannelSpec, values: np.ndarray) -> float:
    charts = Charts((channel,))
    return next((n for n, x in enumerate(values, 1) if charts.update(np.array([x]))), np.inf)


@pytest.mark.parametrize(
    ("p", "rho"), [(0.0, 0.0), (0.02, 0.0), (0.3, 0.0), (0.3, 0.9), (0.9, 0.5)]
)
def test_the_mean_time_between_false_alarms_is_kept(p: float, rho: float) -> None:
    lengths = []
    for seed in range(25):
        rng = np.random.default_rng([seed, int(100 * p)])
        channel = share(answers(300, p, rho, rng))
        lengths.append(min(first_alarm(channel, answers(4000, p, rho, rng)), 4000.0))
    assert np.mean(lengths) >= PROMISED


def test_another_mix_is_seen_about_as_soon_as_is_said() -> None:
    rng = np.random.default_rng(0)
    channel = share(answers(300, 0.3, 0.0, rng), run_length=1e6)
    told = share_to_alarm(channel, 0.6)
    delays = [first_alarm(channel, answers(500, 0.6, 0.0, rng)) for _ in range(40)]
    assert 0.6 * told < np.mean(delays) < 1.4 * told < 140


def test_an_answer_that_no_reference_has_is_seen() -> None:
    rng = np.random.default_rng(1)
    channel = share(np.zeros(300), OTHER_ANSWERS, 1e6)
    assert np.median([first_alarm(channel, answers(500, 0.2, 0.0, rng)) for _ in range(20)]) < 120
    assert first_alarm(channel, np.zeros(5000)) == np.inf


def test_fewer_flags_than_promised_are_no_trouble() -> None:
    channel = share(np.full(100, 0.05), FLAGGED, 1e4)
    assert first_alarm(channel, np.zeros(5000)) == np.inf
    rng = np.random.default_rng(2)
    assert first_alarm(channel, answers(2000, 0.4, 0.0, rng)) < 100


def test_folders_that_somebody_sorted_tell_no_mix() -> None:
    said = ["a"] * 5 + ["b"] * 3 + list("cdefg")
    series = answer_series(said, np.array([""] * 13))
    assert [s.name for s in series] == [ANSWER + x for x in "abcd"] + [OTHER_ANSWERS]
    assert [int(s.values.sum()) for s in series] == [5, 3, 1, 1, 3]
    assert all(is_share(s.name) for s in series) and not is_share("light")
    assert answer_series(said, np.array(["good"] * 6 + ["bad"] * 7)) == []
    assert answer_series([], np.array([""])) == []


def play(
    camera: Camera, number: int, says: list[str], p_values: np.ndarray, seed: int
) -> list[Report]:
    said = []
    for i, image in enumerate(pictures(len(says), seed)):
        seen = camera._meter.measure(image)
        verdict = Verdict.REVIEW if p_values[i] < 0.01 else Verdict.ACCEPT
        result = Result(verdict, label=says[i], p_value=float(p_values[i]))
        frame = Frame("s", number + i, image, monotonic_ns=(number + i + 1) * 10**8)
        report = camera.monitor.update(frame, result, seen.statistics, seen.cells)
        said += [report] if report else []
    return said


def watched() -> Camera:
    rng = np.random.default_rng(3)
    said = tuple(rng.choice(["ok", "scratch"], 200, p=[0.9, 0.1]).tolist())
    model = fitted(pictures(200, 0), answers=said, flag_rate=0.01)
    return Camera(Monitor(model))


def test_another_mix_of_products_is_named_though_pictures_look_as_ever() -> None:
    camera, rng = watched(), np.random.default_rng(4)
    usual = rng.choice(["ok", "scratch"], 60, p=[0.9, 0.1]).tolist()
    assert not play(camera, 0, usual, rng.uniform(0.02, 1, 60), 5)
    mixed = rng.choice(["ok", "scratch"], 150, p=[0.4, 0.6]).tolist()
    said = play(camera, 60, mixed, rng.uniform(0.02, 1, 150), 6)
    evidence = said[0].evidence
    assert evidence.family == "product mix"
    assert evidence.words in (
        "the model answers “scratch” more often", "the model answers “ok” less often"
    )  # fmt: skip
    last = said[-1].evidence
    assert last.size is not None and last.error is not None and last.unit == "% of the frames"
    assert abs(abs(last.size) - 50) < 15 and 0 < last.error < 20


def test_more_flags_than_promised_are_an_alarm() -> None:
    """Flags that guards raise now and then; between them frames are as ordinary as ever."""
    camera, rng = watched(), np.random.default_rng(7)
    names = [c.name for c in camera.monitor._model.spec.channels]
    assert names[-4:] == [FLAGGED, ANSWER + "ok", ANSWER + "scratch", OTHER_ANSWERS]
    p = np.where(rng.random(400) < 0.15, 0.009, rng.uniform(0.02, 1, 400))
    said = play(camera, 0, rng.choice(["ok", "scratch"], 400, p=[0.9, 0.1]).tolist(), p, 8)
    evidence = next(report.evidence for report in said)
    assert (evidence.family, evidence.words) == ("other", "more frames are flagged than promised")
    assert evidence.size is not None and 5 < evidence.size < 40


def test_what_can_be_seen_of_shares_is_said() -> None:
    told = " / ".join(sentences(watched().monitor._model.spec))
    assert "detects flags in " in told and "of the frames, 1.0% as usual, within" in told
    assert "detects the answer “scratch” in " in told
    assert "detects other answers than the references' in " in told
