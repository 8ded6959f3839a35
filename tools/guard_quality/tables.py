"""The measurements as tables for people."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from guard_quality.compare import Comparison, Pair
from guard_quality.degraded import Degradation
from guard_quality.good_only import GoodOnly

Table = Callable[[Sequence[Any]], Iterator[str]]

_DETECTORS = ("fused", "msp", "energy", "gen", "1-nn", "mahalanobis", "mds++", "vim")
_SHARED_CLASSES = {("cifar10", "imagenet"), ("imagenet", "cifar10")}
"""(domain, foreign set) of photographs that show some of the same things: dogs, ships, lorries."""


def shares_classes(pair: Pair) -> bool:
    """Return whether the foreign set holds classes that the model knows."""
    domain = "cifar10" if "cifar10" in pair.model else "imagenet"
    return "pcb" not in pair.model and (domain, pair.foreign) in _SHARED_CLASSES


def comparisons(found: Sequence[Comparison]) -> Iterator[str]:
    """Yield everything about the guard beside single detectors."""
    for part in (_models, _pairs, _summary):
        yield from part(found)
        yield ""


def degradations(found: Sequence[Degradation]) -> Iterator[str]:
    """Yield detection, naming and false flags under degraded images."""
    yield "| setting | kind | images | AUROC | detected | named rightly | leading reasons |"
    yield "|---|---|---|---|---|---|---|"
    for d in found:
        for kind in d.kinds:
            leading = ", ".join(f"{g} {count}" for g, count in list(kind.leading.items())[:4])
            yield (
                f"| {d.setting} | {kind.kind} | {kind.n} | {kind.auroc:.3f} | {kind.detected:.3f} "
                f"| {kind.named:.2f} | {leading} |"
            )
    yield ""
    for d in found:
        flags = sum(d.false_flags.values())
        reasons = ", ".join(f"{guard} {count}" for guard, count in d.false_flags.items()) or "none"
        yield (
            f"- {d.setting}: {flags} of {d.clean} clean images flagged "
            f"({flags / d.clean:.4f}): {reasons}"
        )


def good_only(found: Sequence[GoodOnly]) -> Iterator[str]:
    """Yield how defects stand out by score."""
    for g in found:
        yield f"{g.references} references, {g.normal} normal and {g.defective} defective parts:"
        yield ""
        yield "| score | AUROC |"
        yield "|---|---|"
        for name, value in sorted(g.auroc.items(), key=lambda item: -item[1]):
            yield f"| {name} | {value:.4f} |"


def _models(comparisons: Sequence[Comparison]) -> Iterator[str]:
    """Yield what the models and the promises achieve on held-out images of their own domain."""
    yield "| model | references | held out | accuracy | promised | false flags | rate |"
    yield "|---|---|---|---|---|---|---|"
    for c in comparisons:
        yield (
            f"| {c.model} | {c.references} | {c.held_out} | {c.accuracy:.3f} "
            f"| {c.promised:.4f} {c.regime} | {c.false_flags} | {c.false_flag_rate:.4f} |"
        )


def _pairs(comparisons: Sequence[Comparison]) -> Iterator[str]:
    """Yield AUROC of every pair, the guard's FPR95 and flag rate, and the best single detector."""
    shown = [d for d in _DETECTORS if d in comparisons[0].pairs[0].auroc]
    yield f"| model | foreign | {' | '.join(shown)} | fused − best | FPR95 | flagged |"
    yield "|---|---|" + "---|" * (len(shown) + 3)
    for pair in (pair for c in comparisons for pair in c.pairs):
        cells = " | ".join(_bold(pair, name) for name in shown)
        star = "*" if shares_classes(pair) else ""
        yield (
            f"| {pair.model} | {pair.foreign}{star} | {cells} | {_lead(pair)} "
            f"| {pair.fpr95['fused']:.3f} | {pair.flagged:.3f} |"
        )


def _summary(comparisons: Sequence[Comparison]) -> Iterator[str]:
    """Yield means and worst pairs, with and without the pairs that share classes."""
    pairs = [pair for c in comparisons for pair in c.pairs]
    strict = [pair for pair in pairs if not shares_classes(pair)]
    for title, chosen in (("all", pairs), ("without pairs that share classes (*)", strict)):
        if not chosen:
            continue
        fused = np.array([pair.auroc["fused"] for pair in chosen])
        worst = chosen[int(fused.argmin())]
        yield (
            f"{title}: {len(chosen)} pairs, mean AUROC {fused.mean():.4f}, worst {fused.min():.4f} "
            f"({worst.model} against {worst.foreign}), {(fused >= 0.98).sum()} at .98 or above, "
            f"mean FPR95 {np.mean([p.fpr95['fused'] for p in chosen]):.4f}"
        )
    yield from _singles(pairs)


def _singles(pairs: Sequence[Pair]) -> Iterator[str]:
    names = [name for name in _DETECTORS[1:] if name in pairs[0].auroc]
    if not names:
        return
    means = {name: np.mean([pair.auroc[name] for pair in pairs]) for name in names}
    yield "mean AUROC of the single detectors: " + ", ".join(
        f"{name} {mean:.4f}" for name, mean in means.items()
    )
    leads = np.array([pair.auroc["fused"] - pair.auroc[pair.best] for pair in pairs])
    behind = pairs[int(leads.argmin())]
    yield (
        f"fused minus the best single detector of each pair: mean {leads.mean():+.4f}, "
        f"worst {leads.min():+.4f} ({behind.model} against {behind.foreign})"
    )


def _bold(pair: Pair, name: str) -> str:
    words = f"{pair.auroc[name]:.4f}"
    return f"**{words}**" if name == pair.best else words


def _lead(pair: Pair) -> str:
    return f"{pair.auroc['fused'] - pair.auroc[pair.best]:+.4f}" if pair.best else "–"
