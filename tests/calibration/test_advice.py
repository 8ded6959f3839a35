"""Advice on synthetic sequences whose truth is known, and on real pictures where there are some."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import cv2
import numpy as np
import pytest
import realdata
from tinymodel import parts

from edge_guard.calibration.advice.coverage import certifiable, covered, in_time, promised
from edge_guard.calibration.advice.examine import examine
from edge_guard.calibration.advice.exposure import brightness_moved, changes_by_itself
from edge_guard.calibration.advice.flicker import Flicker, find_flicker
from edge_guard.calibration.advice.reach import defects_in, further, labelled_needed, reach
from edge_guard.calibration.advice.sight import Eye, Sight
from edge_guard.calibration.advice.watch import Fate, Watch
from edge_guard.calibration.attempts import delta_of
from edge_guard.calibration.conformal import promise
from edge_guard.calibration.references import Reference
from edge_guard.errors import ReferencesError
from edge_guard.types import Exposure, Frame

HEIGHT, WIDTH = 120, 160


def sights(
    images: Iterable[np.ndarray], pace: float = 30.0, numbers: Iterable[int] | None = None
) -> list[Sight]:
    """What is seen of images that a camera gives at a pace."""
    eye = Eye()
    images = list(images)
    numbers = range(len(images)) if numbers is None else numbers
    return [
        eye.see(Frame("line", n, image, int(n / pace * 1e9), int(n / pace * 1e9)), image)
        for n, image in zip(numbers, images, strict=True)
    ]


def noisy(picture: np.ndarray, rng: np.random.Generator, sd: float = 3.0) -> np.ndarray:
    return np.clip(picture + rng.normal(size=picture.shape) * sd, 0, 255).astype(np.uint8)


def scene() -> np.ndarray:
    rough = np.random.default_rng(3).random((6, 8)) * 120 + 60
    return np.kron(rough, np.ones((20, 20)))


def belt(number: int) -> np.ndarray:
    """The scene with a bright part that passes."""
    picture, left = scene(), (number * 11) % 260 - 60
    picture[30:90, max(0, left) : max(0, left + 60)] = 220
    return picture


def nests(number: int) -> np.ndarray:
    """Two kinds of part in turn: the mean goes up and down, but not all over the picture."""
    return scene() if number % 2 else scene()[:, ::-1]


def lit(
    show: Callable[[int], np.ndarray],
    mains: float,
    pace: float,
    readout: float,
    swing: float = 0.05,
) -> Flicker | None:
    """What is found in 128 frames, a fifth of them dropped, under a lamp that flickers.

    ``readout`` is the share of the time between frames in which a rolling shutter reads its rows.
    """
    rng = np.random.default_rng(0)
    numbers = [n for n in range(160) if rng.random() < 0.8]
    rows = np.arange(HEIGHT) / HEIGHT * readout / pace
    images = []
    for n in numbers:
        light = 1.0 + swing * np.cos(2 * np.pi * mains * (n / pace + rows))
        images.append(noisy(show(n) * light[:, None], rng))
    return find_flicker(sights(images, pace, numbers), timed=True)


@pytest.mark.parametrize("show", [lambda _: scene(), belt], ids=["still", "belt"])
@pytest.mark.parametrize("readout", [0.0, 0.9], ids=["global", "rolling"])
@pytest.mark.parametrize(
    ("mains", "pace"), [(100.0, 30.0), (120.0, 25.0), (100.0, 29.97), (100.0, 15.0)]
)
def test_flicker_of_the_mains_is_named(show, readout, mains, pace):
    found = lit(show, mains, pace, readout)
    assert found is not None
    assert found.mains_hz == mains
    assert found.bands == (readout > 0)
    assert 0.03 < found.swing < 0.07


@pytest.mark.parametrize("readout", [0.0, 0.9])
@pytest.mark.parametrize(("mains", "pace"), [(100.0, 25.0), (120.0, 30.0)])
def test_flicker_that_stands_still_is_not_claimed(mains, pace, readout):
    assert lit(lambda _: scene(), mains, pace, readout) is None


def test_flicker_whose_frequency_fits_neither_mains_is_not_named():
    found = lit(lambda _: scene(), 87.0, 30.0, 0.0)
    assert found is not None
    assert found.mains_hz is None


@pytest.mark.parametrize("show", [lambda _: scene(), belt, nests], ids=["still", "belt", "nests"])
def test_steady_light_does_not_flicker(show):
    assert lit(show, 100.0, 30.0, 0.0, swing=0.0) is None


@realdata.needs_data
def test_real_footage_of_bottles_does_not_flicker_until_its_light_does():
    video = cv2.VideoCapture(str(realdata.data_dir() / "video" / "bottle-detection.mp4"))
    images = [video.read()[1] for _ in range(112)]
    assert find_flicker(sights(images), timed=True) is None
    lamp = [1 + 0.03 * np.cos(2 * np.pi * 100 * n / 30) for n in range(len(images))]
    pairs = zip(images, lamp, strict=True)
    flickering = [(i * light).clip(0, 255).astype(np.uint8) for i, light in pairs]
    found = find_flicker(sights(flickering), timed=True)
    assert found is not None
    assert found.mains_hz == 100


def watch_line(images: Iterable[np.ndarray], pace: float = 5.0, *, live: bool = True) -> Watch:
    """A watch that keeps what is new."""
    watch = Watch(live=live)
    for sight in sights(images, pace):
        if watch.see(sight) is Fate.NEW:
            watch.keep(sight)
    return watch


def topics(watch: Watch) -> dict[str, str]:
    return {one.topic: one.message for one in watch.advice()}


def test_a_line_that_stands_still_is_told_apart_from_one_that_runs():
    rng = np.random.default_rng(1)
    running = [cv2.resize(p, (WIDTH, HEIGHT)) for p in parts(30, 5)]
    standing = [noisy(running[-1], rng) for _ in range(125)]
    assert "alike" not in topics(watch_line(running))
    watch = watch_line([*running, *standing])
    assert topics(watch)["alike"] == (
        "all frames from the last 25 s look alike: move on to other parts"
    )
    assert len(watch.looks) == 30


def test_parts_that_come_round_again_are_nothing_new():
    rng = np.random.default_rng(1)
    some = [cv2.resize(p, (WIDTH, HEIGHT)) for p in parts(6, 5)]
    watch = watch_line([noisy(some[n % 6], rng, 2.0) for n in range(160)])
    assert len(watch.looks) == 6
    assert "showed only what was seen before" in topics(watch)["alike"]


def test_light_that_changes_makes_no_new_look():
    bands = 1.0 + 0.05 * np.cos(np.arange(HEIGHT) * 0.08)[:, None]
    rng = np.random.default_rng(1)
    watch = watch_line([noisy(scene() * light, rng) for light in (1.0, 0.9, 1.1, bands, 1.0)])
    assert len(watch.looks) == 1


def test_black_and_frozen_pictures_are_not_kept():
    rng = np.random.default_rng(2)
    dark = watch_line([noisy(np.zeros((HEIGHT, WIDTH)), rng, 1.0) for _ in range(6)])
    assert not dark.kept
    assert "lens cap" in topics(dark)["black"]
    frozen = watch_line(
        [*(noisy(belt(n), rng) for n in range(5)), *[scene().astype(np.uint8)] * 12]
    )
    assert len(frozen.kept) == 6
    assert "frozen" in topics(frozen)["frozen"]
    folder = watch_line([scene().astype(np.uint8)] * 12, live=False)
    assert "frozen" not in topics(folder)


def test_blurred_pictures_are_found_and_sharp_ones_are_not():
    images = [cv2.resize(p, (WIDTH, HEIGHT)) for p in parts(60, 5)]
    rng = np.random.default_rng(3)
    images = [noisy(image, rng) for image in images]
    assert watch_line(images).blurred() == []
    chosen = [7, 20, 41]
    for n in chosen:
        images[n] = cv2.GaussianBlur(images[n], (0, 0), 2.0)
    watch = watch_line(images)
    assert watch.blurred() == chosen
    assert topics(watch)["blurred"].startswith("3 images are blurred")


@realdata.needs_data
@pytest.mark.parametrize(
    ("name", "least"),
    [("deeppcb_patches_test", 0.4), ("cifar10_test", 0.9), ("imagenet_sample_a", 0.9)],
)
def test_blur_of_real_pictures(name, least):
    images = list(realdata.images(name).images[100:250])
    chosen = set(np.random.default_rng(4).choice(len(images), 15, replace=False).tolist())
    for n in chosen:
        images[n] = cv2.GaussianBlur(images[n], (0, 0), max(2.0, min(images[n].shape[:2]) / 64))
    watch = Watch(live=False)
    examine([held(n, image) for n, image in enumerate(images)], watch, lambda *_: None)
    found = set(watch.blurred())
    assert len(found & chosen) >= least * len(chosen)
    assert len(found - chosen) <= 2


def held(number: int, image: np.ndarray, label: str = "") -> Reference:
    return Reference(f"picture {number}", label, lambda: image)


def test_brightness_that_drifts_is_told_and_noise_is_not():
    rng = np.random.default_rng(4)
    still = [noisy(scene(), rng) for _ in range(40)]
    warming = [noisy(scene() + 0.3 * n, rng) for n in range(40)]
    moved = brightness_moved(sights(warming))
    assert moved is not None
    assert 6.0 < moved < 10.0  # 0.3 of 26.7 frames between the middles of the thirds
    assert brightness_moved(sights(still)) is None


def test_a_camera_that_changes_its_exposure_is_told():
    image = scene().astype(np.uint8)
    eye = Eye()

    def seen(*times: float) -> list[Sight]:
        return [eye.see(Frame("x", 0, image, exposure=Exposure(t, 1.0)), image) for t in times]

    assert changes_by_itself(seen(5.0, 5.0, 7.0))
    assert not changes_by_itself(seen(5.0, 5.0, 5.0))
    assert not changes_by_itself(sights([image]))


@pytest.mark.parametrize("requested", [0.05, 0.01, 0.001])
@pytest.mark.parametrize("images", [0, 5, 30, 120, 298, 299, 600])
@pytest.mark.parametrize("worth", [1.0, 0.3])
def test_the_guarantee_foretold_is_the_one_that_calibration_gives(images, worth, requested):
    step = reach(images, images * worth, requested)
    try:
        held_ = promise(np.zeros(images), images * worth, requested)
        assert (step.regime, step.rate) == (held_.regime, held_.false_flag_rate)
    except ReferencesError:
        assert step.regime == "none"
    worth = worth if images else 1.0
    for more in further(images, images * worth, requested):
        regime = promise(np.zeros(more.images), more.images * worth, requested).regime
        assert more.regime == regime
        assert reach(more.images - 1, (more.images - 1) * worth, requested).regime != regime


def test_three_hundred_independent_images_give_one_per_cent_with_confidence():
    assert reach(300, 300.0, 0.01).regime == "confident"
    assert reach(298, 298.0, 0.01).regime == "marginal"
    assert [step.images for step in further(0, 0.0, 0.01)] == [20, 50, 299]


def test_labels_needed_are_those_of_the_binomial_at_the_first_attempt():
    for rate, least in labelled_needed().items():
        assert (1 - rate) ** least <= delta_of(1) < (1 - rate) ** (least - 1)


def test_labels_in_plain_words():
    said = certifiable({"ok": 100, "scratch": 12})
    assert said[0] == "only 12 images of 'scratch': add some"
    assert "112 labelled images: --max-error 0.05 is within reach" in said
    assert "49 more images of defects: --max-escapes 0.05 will be" in said
    assert defects_in({"a": 3, "b": 4}) is None
    assert certifiable({}) == []


def test_coverage_in_plain_words_has_no_statistics():
    images = [cv2.resize(p, (WIDTH, HEIGHT)) for p in parts(60, 5)]
    watch = watch_line(images, pace=0.01)
    said = [*covered(watch), *promised(watch, 0.01)]
    assert said[0] == "60 images, 60 of them different from each other"
    assert said[1].startswith("they span 98 minutes")
    assert said[-1] == "with about 300 images: at most 1.0% false flags, with 95 % confidence"
    assert not [s for s in said if "effective" in s or "correlation" in s or "binomial" in s]
    assert in_time(3.2 * 3600) == "3 hours"
