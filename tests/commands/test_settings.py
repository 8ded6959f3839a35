"""What was made stricter: never looser than the bundle, kept over restarts."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from edge_guard.bundle import read_bundle
from edge_guard.commands.settings import Settings
from edge_guard.errors import GuaranteeError, StoreError
from edge_guard.pipeline import Pipeline
from edge_guard.tightening import Tightened, own_limits
from edge_guard.types import Frame, Verdict

BUNDLE = Path(__file__).parents[2] / "models" / "demo_line.guard"
OWN = Tightened(min_confidence=0.8, p_limit=0.01)


def test_settings_survive_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    assert Settings(path).of("s") == Tightened()
    Settings(path).keep("s", Tightened(p_limit=0.02))
    Settings(path).keep("t", Tightened(min_confidence=0.9))
    settings = Settings(path)
    assert (settings.of("s").p_limit, settings.of("t").min_confidence) == (0.02, 0.9)


def test_a_damaged_file_leaves_the_bundles_own_limits(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "settings.json"
    path.write_bytes(b'{"s": {"p_limit"')
    assert Settings(path).of("s") == Tightened()
    assert "cannot be read" in caplog.text


def test_a_disk_that_refuses_changes_nothing(tmp_path: Path) -> None:
    settings = Settings(tmp_path / "gone" / "settings.json")
    with pytest.raises(StoreError, match="cannot be kept"):
        settings.keep("s", Tightened(p_limit=0.02))
    assert settings.of("s") == Tightened()


def test_another_bundle_keeps_only_what_is_stricter_than_its_own(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(tmp_path / "settings.json")
    settings.keep("s", Tightened(min_confidence=0.7, p_limit=0.02, review_budget=0.1))
    assert settings.fitting("s", OWN) == Tightened(p_limit=0.02)
    assert "min_confidence 0.7 is looser" in caplog.text
    assert "no review_budget to tighten" in caplog.text


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Tightened(min_confidence=0.79), "looser than the bundle's 0.8"),
        (Tightened(p_limit=0.0), "looser than the bundle's 0.01"),
        (Tightened(review_budget=0.5), "no review_budget"),
    ],
)
def test_looser_is_refused(limits: Tightened, words: str) -> None:
    with pytest.raises(GuaranteeError, match=words):
        limits.check(OWN)
    OWN.check(OWN)
    Tightened().check(OWN)


def test_a_real_guard_is_made_stricter_and_back() -> None:
    pipeline = Pipeline(read_bundle(BUNDLE), live=False)
    frame = Frame("s", 0, pipeline.golden_image())
    own = pipeline.own_limits
    assert own == own_limits(pipeline.manifest)
    assert pipeline.inspect(frame).verdict == Verdict.ACCEPT
    pipeline.tighten(Tightened(p_limit=1.0))
    by_p = pipeline.inspect(frame)
    assert (by_p.verdict, by_p.reasons[0].expected[0]) == (Verdict.REVIEW, 1.0)
    pipeline.tighten(Tightened(min_confidence=1.0))
    unsure = pipeline.inspect(frame)
    assert unsure.verdict == Verdict.REVIEW
    assert "the limit that somebody has set" in unsure.reasons[0].message
    with pytest.raises(GuaranteeError):
        pipeline.tighten(Tightened(p_limit=own.p_limit / 2))  # type: ignore[operator]
    assert pipeline.tightened == Tightened(min_confidence=1.0)
    pipeline.tighten(Tightened())
    assert pipeline.inspect(frame).verdict == Verdict.ACCEPT
    assert msgspec.json.encode(Tightened(p_limit=0.5)) == b'{"p_limit":0.5}'
