"""How the records are printed."""

from __future__ import annotations

from typing import Any

import msgspec

from bench.places import DESCRIBING
from bench.race import OURS

ASIDE = (OURS, DESCRIBING, "no-op call")
"""Rows that are no peers."""


def show(record: dict[str, Any], *, as_json: bool) -> None:
    """Print a record as a line of JSON, or for people."""
    if as_json:
        print(msgspec.json.encode(record, enc_hook=float).decode(), flush=True)
        return
    write = {"machine": _machine, "race": _race, "bench": _pipeline, "start": _start}[
        record["type"]
    ]
    print(*write(record), "", sep="\n", flush=True)


def ratio(times: dict[str, dict[str, float]]) -> float | None:
    """Return the fastest peer's median over ours, less what the peers are spared."""
    peers = [v["median_us"] for name, v in times.items() if name not in ASIDE]
    spared = times.get(DESCRIBING, {"median_us": 0.0})["median_us"]
    return min(peers) / max(times[OURS]["median_us"] - spared, 0.01) if peers else None


def _machine(record: dict[str, Any]) -> list[str]:
    speeds = ", ".join(f"{name} {speed:.0f}" for name, speed in record["read_gb_s"].items())
    return [f"{record['processor']}, {record['simd_level']}", f"reads GB/s: {speeds}"]


def _race(record: dict[str, Any]) -> list[str]:
    states = list(record["times"])
    lines = [
        record["name"],
        " " * 30 + "".join(f"{state.replace('_', ' '):>24}" for state in states),
    ]
    for name in record["times"][states[0]]:
        cells = (_cell(record["times"][state][name]) for state in states)
        lines.append(f"  {name:<28}" + "".join(f"{cell:>24}" for cell in cells))
    found = [ratio(record["times"][state]) for state in states]
    if found[0] is not None:
        cells = (f"{value:.2f}x" for value in found)
        lines.append(
            f"  {'fastest peer / edge-guard':<28}" + "".join(f"{cell:>24}" for cell in cells)
        )
    share = record["times"]["in_situ"][OURS]["median_us"] / record["model_us"]
    facts = [
        f"reads {record['bytes_read'] / 1e6:.2f} MB",
        f"empty call {record['floor_us']:.2f} µs",
        f"in situ {share:.2%} of the model's {record['model_us'] / 1e3:.1f} ms",
    ]
    facts += [f"{name.replace('_', ' ')} {value:.3g}" for name, value in record["notes"].items()]
    return [*lines, "  " + ", ".join(facts)]


def _start(record: dict[str, Any]) -> list[str]:
    return [
        f"{record['name']}: {record['median_ms']:.0f} ms (fastest {record['fastest_ms']:.0f}), "
        f"{record['peak_memory_mib']:.0f} MiB at the peak"
    ]


def _cell(spread: dict[str, float]) -> str:
    return f"{spread['median_us']:.1f} µs ({spread['p10_us']:.0f}-{spread['p90_us']:.0f})"


def _pipeline(record: dict[str, Any]) -> list[str]:
    stages = ", ".join(f"{k} {v['median_us']:.0f}" for k, v in record["stages"].items())
    return [
        f"pipeline {record['bundle']}",
        f"  µs: {stages}; guarded {record['guarded_us']['median_us']:.0f}, "
        f"bare {record['bare_us']['median_us']:.0f}",
        f"  {record['share_of_bare_frame_rate']:.1%} of the bare frame rate, "
        f"{record['share_of_bare_frame_rate_decoding']:.1%} with JPEG decoding; guards "
        f"{record['guards_share_of_model']:.2%} of the model, ready in {record['load_ms']:.0f} ms, "
        f"{record['peak_memory_mib']:.0f} MiB at the peak",
    ]
