"""What ``edge-guard calibrate`` can be told, and what of it cannot be."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from edge_guard.cli.output import add_json_argument
from edge_guard.cli.view import add_view_arguments
from edge_guard.errors import BundleError, ConfigError

_OTHERWISE = {"command", "verbose", "json", "model", "reference", "output"}
_OTHERWISE |= {"camera", "frames", "every", "keep", "yes"}
"""What a command that goes on from a folder says otherwise, or not again."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.description = (
        "Fits guards to a model from images of good production and writes a bundle that a device "
        "can run. 50 images give an advisory guard, 300 a promise with 95 % confidence."
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="ONNX or TFLite file")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument(
        "--reference",
        type=Path,
        metavar="DIR",
        help="reference images, or one folder a label",
    )
    where.add_argument(
        "--camera",
        metavar="SOURCE",
        help="take references from a camera, address or video; -: one that is read from standard "
        "input, for addresses with a password, which everybody on the machine could read here",
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="X.guard", help="bundle to write"
    )
    parser.add_argument("--card", type=Path, help="model card; default MODEL.toml beside the model")
    parser.add_argument(
        "--labels",
        metavar="auto|none|FILE",
        default="auto",
        help="auto: folders name labels, YOLO text beside the images their boxes; none: ignore "
        "both; FILE: COCO JSON, or a CSV with columns file and label (left, top, width, height)",
    )
    parser.add_argument(
        "--false-flag-rate",
        type=float,
        default=0.01,
        metavar="RATE",
        help="share of good frames that may be flagged (default 0.01)",
    )
    _add_capture(parser)
    _add_answers(parser)
    _add_wishes(parser)
    parser.add_argument(
        "--advisory",
        action="store_true",
        help="write a guard without a promise where the references support none",
    )
    _add_report(parser)
    add_view_arguments(parser)
    parser.add_argument("--seed", type=int, default=0, help="makes runs repeatable (default 0)")
    parser.add_argument("--threads", type=int, default=1, help="threads of the model's runtime")
    add_json_argument(parser)


def _add_capture(parser: argparse.ArgumentParser) -> None:
    """Declare how references are taken."""
    taken = parser.add_argument_group("with --camera")
    taken.add_argument(
        "--frames", type=int, default=300, help="images to have in the end (default 300)"
    )
    taken.add_argument(
        "--every",
        type=float,
        metavar="SECONDS",
        help="time between two images of a camera (default 1); of a file every frame is taken",
    )
    taken.add_argument(
        "--keep",
        type=Path,
        metavar="DIR",
        help="folder for the images and the page that shows them (default X.capture beside the "
        "bundle)",
    )


def _add_answers(parser: argparse.ArgumentParser) -> None:
    """Declare the answers for when nobody is asked, and how much is told."""
    answers = parser.add_argument_group("questions and answers")
    answers.add_argument(
        "--yes", action="store_true", help="take the suggested answer to every question"
    )
    answers.add_argument(
        "--blurred",
        choices=("ask", "keep", "drop"),
        default="ask",
        help="what to do with blurred images; without a terminal ask means keep (default ask)",
    )
    answers.add_argument(
        "--changed",
        action="store_true",
        help="product, light or camera were changed on purpose: the images may be foreign to the "
        "bundle that is there",
    )
    answers.add_argument(
        "--explain", action="store_true", help="also tell the numbers behind the promises"
    )


def _add_report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--report", type=Path, metavar="F.html", help="also write a report that can be printed"
    )
    parser.add_argument(
        "--held-out",
        type=Path,
        metavar="DIR",
        help="images kept out of the calibration, for the report; default: the references",
    )


def _add_wishes(parser: argparse.ArgumentParser) -> None:
    """Declare what labelled references can be asked for."""
    asked = parser.add_argument_group("with labelled references")
    asked.add_argument(
        "--max-error",
        type=float,
        metavar="RATE",
        help="certify that at most this share of the accepted answers is wrong",
    )
    asked.add_argument(
        "--max-escapes",
        type=float,
        metavar="RATE",
        help="certify as well that at most this share of defective parts is accepted as good",
    )
    asked.add_argument(
        "--good-label",
        metavar="NAME",
        help="class of good parts (default: a label called ok, good, normal or pass)",
    )
    asked.add_argument(
        "--previous",
        type=Path,
        metavar="X.guard",
        help="earlier bundle of this model: its attempts at a certificate count",
    )
    asked.add_argument(
        "--cost-error", type=float, metavar="C", help="what an accepted wrong answer costs"
    )
    asked.add_argument(
        "--cost-review",
        type=float,
        metavar="C",
        help="what a person's look costs, in the same unit",
    )
    asked.add_argument(
        "--review-budget",
        type=float,
        metavar="SHARE",
        help="share of the frames that people can look at; the least sure ones fill it",
    )


def given(args: argparse.Namespace) -> list[str]:
    """Return the options that were given and also hold for references in a folder, as words."""
    parser = argparse.ArgumentParser(add_help=False)
    add_arguments(parser)
    words = []
    for name, value in vars(args).items():
        if name not in _OTHERWISE and value != parser.get_default(name):
            option = "--" + name.replace("_", "-")
            words += [option] if value is True else [option, str(value)]
    return words


def check(args: argparse.Namespace) -> None:
    """Raise for what cannot be, before the long part.

    Raises
    ------
    ConfigError, BundleError
    """
    _check_rates(args)
    _check_output(args.output)
    _check_report(args.report, args.held_out)
    if args.camera is None and (args.keep or args.every is not None):
        raise ConfigError("--keep and --every are for --camera", "leave them out")


def _check_output(path: Path) -> None:
    """Refuse before the long part a bundle that could not be written after it."""
    folder = path.absolute().parent
    if not folder.is_dir():
        raise BundleError(f"cannot write {path}: its folder is missing", "make the folder first")
    if not os.access(folder, os.W_OK):
        raise BundleError(f"cannot write {path}: Permission denied", "choose another place")


def _check_report(report: Path | None, held_out: Path | None) -> None:
    """Refuse before the long part what could not be written after it."""
    if held_out is not None and report is None:
        raise ConfigError("--held-out is for the report", "give --report F.html as well")
    if report is not None and not report.absolute().parent.is_dir():
        raise ConfigError(f"cannot write {report}: its folder is missing", "make the folder first")


def _check_rates(args: argparse.Namespace) -> None:
    for option in ("false_flag_rate", "max_error", "max_escapes"):
        value = getattr(args, option)
        if value is not None and not 0.0 < value < 0.5:
            name = "--" + option.replace("_", "-")
            raise ConfigError(
                f"{name} {value} is out of range", "give a share above 0 and below 0.5"
            )
    if args.review_budget is not None and not 0.0 < args.review_budget < 1.0:
        raise ConfigError(
            f"--review-budget {args.review_budget} is out of range", "give a share between 0 and 1"
        )
    _check_costs(args.cost_error, args.cost_review)
    if args.every is not None and not 0.0 <= args.every <= 3600.0:
        raise ConfigError(f"--every {args.every:g} is out of range", "give 0 to 3600 seconds")
    if args.frames < 1 or args.threads < 1:
        raise ConfigError("--frames and --threads must be at least 1", "give a positive number")


def _check_costs(error: float | None, review: float | None) -> None:
    if (error is None) != (review is None):
        raise ConfigError(
            "--cost-error and --cost-review belong together", "give both, in the same unit"
        )
    if error is not None and review is not None and not 0.0 < review < error:
        raise ConfigError(
            f"--cost-review {review:g} against --cost-error {error:g}: no look would pay",
            "give a review cost above 0 and below the error's",
        )
