"""``edge-guard bench``: what a bundle costs on this device."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_guard.cli.output import Output, add_json_argument
from edge_guard.errors import ConfigError

if TYPE_CHECKING:
    from edge_guard.bundle import Bundle
    from edge_guard.tuning.advice import Hint


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.description = (
        "Measures a bundle on this device: each stage in situ, and the guarded pipeline beside a "
        "bare loop of the model (preprocess, run, argmax) in the same run. Then tries threads, "
        "picture sizes, the other model format and the guards one by one, and says what would be "
        "cheaper."
    )
    parser.add_argument("bundle", type=Path, metavar="X.guard", help="the bundle to measure")
    parser.add_argument(
        "--model", type=Path, help="the original model, for a bare loop without taps"
    )
    parser.add_argument(
        "--other",
        type=Path,
        metavar="FILE",
        help="the same model as TFLite beside ONNX, or the other way round; default: the file of "
        "its name beside MODEL or X.guard",
    )
    parser.add_argument(
        "--no-advice", dest="advice", action="store_false", help="measure the bundle as it is only"
    )
    parser.add_argument("--frames", type=int, default=300, help="frames a loop (default 300)")
    parser.add_argument("--threads", type=int, default=1, help="threads of the model's runtime")
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from edge_guard.benchmark import benchmark
    from edge_guard.bundle import read_bundle

    if args.frames < 1 or args.threads < 1:
        raise ConfigError("--frames and --threads must be at least 1", "give a positive number")
    output = Output(args.json)
    bundle = read_bundle(args.bundle)
    record = benchmark(bundle, frames=args.frames, threads=args.threads, model=args.model)
    hints = _tuned(args, bundle, record) if args.advice else []
    output.record(record)
    _print(output, record)
    for hint in hints:
        output.text(f"  {hint.topic:<11}{hint.message}")
    return 0


def _tuned(args: argparse.Namespace, bundle: Bundle, record: dict[str, Any]) -> list[Hint]:
    """Add measurements and advice to the record, and return the advice."""
    from edge_guard.tuning.runs import find_other
    from edge_guard.tuning.tune import tune

    other = args.other or find_other(bundle, args.model or args.bundle)
    record["tuning"], hints = tune(bundle, record, model=args.model, other=other)
    record["advice"] = [hint._asdict() for hint in hints]
    return hints


def _print(output: Output, record: dict[str, Any]) -> None:
    output.text(f"{record['bundle']} on {record['threads']} thread(s), {record['frames']} frames")
    for name, stage in record["stages"].items():
        output.text(
            f"  {name:<11}{stage['median_us']:>10.0f} µs  "
            f"({stage['p10_us']:.0f} to {stage['p90_us']:.0f})"
        )
    output.text(f"  guards cost {record['guards_share_of_model']:.1%} of the model's own time")
    output.text(
        f"  {record['guarded_frames_per_second']:.0f} frames a second guarded, "
        f"{record['share_of_bare_frame_rate']:.0%} of the bare loop's rate, "
        f"{record['share_of_bare_frame_rate_decoding']:.0%} where frames come as JPEG"
    )
    output.text(
        f"  ready {record['load_ms']:.0f} ms after reading the bundle, "
        f"{record['peak_memory_mib']:.0f} MiB at the peak"
    )
