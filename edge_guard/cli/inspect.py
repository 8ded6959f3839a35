"""``edge-guard inspect``: judge images, folders or video."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_guard.cli.output import Output, add_json_argument
from edge_guard.cli.replay import Replay
from edge_guard.cli.view import add_view_arguments, note_view, view_of
from edge_guard.errors import ConfigError

if TYPE_CHECKING:
    from edge_guard.bundle import Bundle
    from edge_guard.sources import View
    from edge_guard.types import Frame, Result, Verdict

_COLORS = {"accept": "green", "review": "yellow", "invalid": "red"}
_PATIENCE_S = 30.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.description = (
        "Judges images, folders (in the order of their names), videos or a camera with a bundle, "
        "one line a frame. Exit code 0 whatever the verdicts are."
    )
    parser.add_argument("bundle", type=Path, metavar="X.guard", help="the bundle that judges")
    parser.add_argument(
        "sources", nargs="+", metavar="SOURCE", help="image, folder, video, camera or address"
    )
    parser.add_argument("--threads", type=int, default=1, help="threads of the model's runtime")
    parser.add_argument(
        "--heatmaps",
        type=Path,
        metavar="DIR",
        help="write a PNG of each flagged frame: as it is, with the places that stand out, and "
        "beside the references that it resembles",
    )
    parser.add_argument(
        "--monitor",
        action="store_true",
        help="take the frames as one recording in order, and say when and how it drifts",
    )
    add_view_arguments(parser)
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from edge_guard.bundle import read_bundle
    from edge_guard.types import Verdict

    output = Output(args.json)
    bundle = read_bundle(args.bundle)
    heatmaps = Heatmaps(args.heatmaps) if args.heatmaps else None
    verdicts: Counter[Verdict] = Counter()
    replay = Replay(bundle, output) if args.monitor else None
    view = view_of(args)
    note_view(bundle.manifest, view, output)
    for address in args.sources:
        verdicts += _inspect(bundle, address, view, args.threads, output, heatmaps, replay)
    counts = ", ".join(f"{verdicts[v]} {v}" for v in Verdict)
    output.text(f"{verdicts.total()} frames: {counts}", color="bold")
    if heatmaps:
        output.text(f"{heatmaps.written} heatmaps in {args.heatmaps}")
    if replay:
        replay.end()
    return 0


def _inspect(
    bundle: Bundle,
    address: str,
    view: View,
    threads: int,
    output: Output,
    heatmaps: Heatmaps | None,
    replay: Replay | None,
) -> Counter[Verdict]:
    """Judge one source and return how many frames got which verdict."""
    from edge_guard.errors import SourceError
    from edge_guard.pipeline import Pipeline
    from edge_guard.sources import Damaged, open_source
    from edge_guard.types import Reason, Result, Verdict

    verdicts: Counter[Verdict] = Counter()
    source = open_source(address, stream="inspect", view=view)
    pipeline = Pipeline(bundle, threads=threads, live=_is_stream(address))
    try:
        while not source.finished:
            frame = source.read(_PATIENCE_S)
            if frame is None:
                if not source.finished:
                    raise SourceError(f"{source.address} gives no frames", source.cause)
                continue
            if isinstance(frame, Damaged):
                reason = Reason(frame.guard, frame.cause, None)
                result = Result(Verdict.INVALID, reasons=(reason,))
            else:
                result = pipeline.inspect(frame)
                if heatmaps:
                    heatmaps.write(frame, result)
            verdicts[result.verdict] += 1
            output.record(record(frame.source, frame.sequence, result))
            _print(output, frame, result, fully=_is_one_image(address))
            if replay and not isinstance(frame, Damaged):
                replay.take(frame, result, pipeline)
    finally:
        source.close()
        pipeline.close()
    return verdicts


class Heatmaps:
    """Sheets of flagged frames with their heat and the references they resemble, one PNG each.

    Parameters
    ----------
    folder : Path
        Made where missing.

    Raises
    ------
    ConfigError
        It cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.written = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(folder, error) from None

    def write(self, frame: Frame, result: Result) -> None:
        """Write the frame's sheet where it has heat: accepted and invalid frames have none."""
        from edge_guard.backends.preprocess import decode_image, encode_png
        from edge_guard.backends.sheet import Panel, readable, sheet
        from edge_guard.heat import LIMIT, overlay

        if result.heat is None:
            return
        picture = readable(frame.image)
        painted = overlay(picture, result.heat.scaled(*picture.shape[:2]))
        stands_out = bool(result.heat.cells.max() > LIMIT)
        caption = "outlined: unlike the references" if stands_out else "no place stands out"
        panels = [
            Panel((f"{result.verdict}: {_name(frame)}",), picture),
            Panel((caption,), painted),
        ]
        beside = [
            Panel((f"like {like.name} in", like.words), decode_image(like.picture))
            for like in result.nearest
            if like.picture
        ]
        path = self._folder / f"{self.written:05d}-{Path(frame.source).stem}-{frame.sequence}.png"
        try:
            path.write_bytes(encode_png(sheet(panels, beside)))
        except OSError as error:
            raise _unwritable(path, error) from None
        self.written += 1


def _unwritable(path: Path, error: OSError) -> ConfigError:
    return ConfigError(f"cannot write {path}: {error.strerror}", "choose another --heatmaps folder")


def _is_stream(address: str) -> bool:
    """Return whether neighbouring frames come from one camera: not for folders and images."""
    from edge_guard.sources.address import Kind, kind_of

    return kind_of(address) not in (Kind.FOLDER, Kind.IMAGE)


def record(source: str, sequence: int, result: Result) -> dict[str, Any]:
    """Return a frame's JSON line."""
    return {
        "type": "result",
        "source": source,
        "sequence": sequence,
        "verdict": result.verdict,
        "label": result.label,
        "confidence": result.confidence,
        "p_value": result.p_value,
        "scores": result.scores,
        "reasons": result.reasons,
        "nearest": [
            {"name": like.name, "entry": like.entry, "view": like.view} for like in result.nearest
        ],
        "timing_us": result.timing_us,
    } | ({} if result.detections is None else {"detections": result.detections})


def _print(output: Output, frame: Any, result: Result, *, fully: bool) -> None:
    """Print a frame's verdict, and all that explains it where it was asked about alone."""
    name = frame.source if _is_one_image(frame.source) else _name(frame)
    answer = "" if result.label is None else f"  {result.label}"
    if result.confidence is not None:
        answer += f" {result.confidence:.0%}"
    why = f"  {result.reasons[0].message}" if result.reasons else ""
    verdict = output.paint(f"{result.verdict:<8}", _COLORS[result.verdict])
    output.text(f"{verdict}{name}{answer}{why}")
    if not fully:
        return
    for reason in result.reasons[1:]:
        output.text(f"{'':<8}{reason.message}")
    for found in result.detections or ():
        x, y, width, height = found.box
        sure = f"score {found.score:.2f}" if found.confidence is None else f"{found.confidence:.0%}"
        output.text(f"{'':<8}{found.label}, {sure}, {width}×{height} px at {x}, {y}")
    for like in result.nearest:
        output.text(f"{'':<8}most like {like.name} in {like.words}")


def _name(frame: Frame) -> str:
    """Return a frame's short name: its own file, or its number in the source."""
    return Path(frame.source).name if _is_one_image(frame.source) else f"#{frame.sequence}"


def _is_one_image(source: str) -> bool:
    """Return whether a frame's source is its own file."""
    from edge_guard.sources.address import IMAGE_SUFFIXES

    return Path(source).suffix.lower() in IMAGE_SUFFIXES
