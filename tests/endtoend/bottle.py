"""A real ImageNet model, calibrated on the beginning of a real video of bottles."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import NamedTuple

from line import command
from realdata import linked_model

FRAMES = 1189
"""In the video."""
_REFERENCES = 300
_SECONDS = 400


class Calibrated(NamedTuple):
    """What calibration gave.

    Attributes
    ----------
    model, video, bundle : Path
    refused : subprocess.CompletedProcess
        The same calibration without ``--advisory``.
    """

    model: Path
    video: Path
    bundle: Path
    refused: subprocess.CompletedProcess[str]


def calibrate(data: Path, folder: Path) -> Calibrated:
    """Return the bundle, written into ``folder``; both calibrations run at once."""
    model = linked_model("mobilenet_v2_coral_quant", folder)
    video = data / "video" / "bottle-detection.mp4"
    bundle = folder / "bottle.guard"
    camera = ("calibrate", str(model), "--camera", str(video), "--frames", str(_REFERENCES))
    with subprocess.Popen(
        command(*camera, "--advisory", "-o", str(bundle)), stderr=subprocess.PIPE, text=True
    ) as writing:
        refused = subprocess.run(
            command(*camera, "-o", str(folder / "refused.guard")),
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        _, errors = writing.communicate(timeout=_SECONDS)
    assert writing.returncode == 0, errors
    return Calibrated(model, video, bundle, refused)
