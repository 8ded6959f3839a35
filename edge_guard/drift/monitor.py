"""All monitors of one stream: fed frame by frame, they say when it changed, and to what.

watching ──alarm──▶ raised ──more is known──▶ updated ──two calm spells──▶ cleared ──▶ watching

One alarm is one trouble: while it lasts nothing else is raised, but its cause and size are judged
again whenever twice as many frames have been seen since the change. It is cleared when in two
spells in a row, each twice as long as the change took to be noticed, no channel's mean is off by
more than its dead band and three standard errors: less than what raises it.
"""

from __future__ import annotations

from math import ceil
from pathlib import Path

import msgspec
import numpy as np

from edge_guard.drift.album import Album, small
from edge_guard.drift.channels import Reader
from edge_guard.drift.cusum import Charts
from edge_guard.drift.edetector import EDetector
from edge_guard.drift.evidence import Witness, correlation_length, standard_error
from edge_guard.drift.exposure import PATIENCE, ExposureWatch
from edge_guard.drift.history import History
from edge_guard.drift.incident import Incident, Report, Word, is_news
from edge_guard.drift.intake import Intake
from edge_guard.drift.memory import read_memory, write_memory
from edge_guard.drift.model import DriftModel
from edge_guard.drift.settling import Settling
from edge_guard.publish.messages import DriftEvidence
from edge_guard.types import Array, Doubles, Frame, Result

_SPELL = 12
_CALM_ERRORS = 3.0
_CALM_SPELLS = 2
_SOONEST_UPDATE = 8
_BLOCK_LENGTHS = 5.0


class Monitor:
    """Watches one stream with the monitors of its bundle. Not for two threads at once.

    Memory: about 0.9 MB and the bundle's arrays, whatever the length of the stream.

    Parameters
    ----------
    model : DriftModel
    """

    def __init__(self, model: DriftModel) -> None:
        self._model = model
        channels = model.spec.channels
        self._names = tuple(c.name for c in channels)
        self._reader = Reader(model.scene, self._names, model.spec.flag_rate)
        self._mean = np.array([c.mean for c in channels])
        self._sd = np.array([c.sd for c in channels])
        self._witness = Witness(model)
        self._charts = Charts(channels)
        self._ranks = EDetector(model.spec, model.edges, model.gaps)
        self._settling = Settling(channels)
        self._exposure = ExposureWatch()
        self._x = self._reader.row[: len(channels)]
        self._history = History(np.concatenate((self._mean, model.statistics, model.measured())))
        self._intake = Intake(self._names)
        self._incident: Incident | None = None
        self._evidence: DriftEvidence | None = None
        self._album = Album()

    @property
    def skipped(self) -> dict[str, int]:
        """Frames left out, by cause."""
        return dict(self._intake.skipped)

    @property
    def blind(self) -> str:
        """Why the monitors see nothing, or not all; empty when they do."""
        return self._intake.blind

    @property
    def raised(self) -> bool:
        """Whether a change lasts."""
        return self._incident is not None

    @property
    def status(self) -> str:
        """What the monitors do, in words."""
        if self.blind:
            return f"blind: {self.blind}"
        if self._incident:
            return "a change lasts"
        return "watching" if self._settling.done else "watching, settling in"

    @property
    def deviations(self) -> dict[str, float]:
        """How far each channel of the last frame is off the references, in sd; NaN: no value."""
        off = (self._x - self._mean) / self._sd
        return dict(zip(self._names, off.tolist(), strict=True))

    def update(
        self, frame: Frame, result: Result, statistics: Array | None, cells: Array | None
    ) -> Report | None:
        """Take one frame in; return what there is to say of the stream.

        Parameters
        ----------
        frame : Frame
        result : Result
            The guard's word on it.
        statistics : Array or None
            (≥ S,) image statistics, the kernel's first; None where it is no picture.
        cells : Array or None
            (2, 8, 8) means and deviations of its cells.
        """
        if not self._intake.takes(frame):
            return None
        if statistics is None or cells is None:
            self._intake.skip("were no usable pictures")
            return None
        same = self._reader.read(statistics, cells, frame.image, result)
        x = self._x
        if not self._intake.differs(x, same=same):
            return None
        if not self._intake.follows(frame):
            self._charts.forget_neighbour()
            self._settling.forget_neighbour()
        self._history.add(self._reader.row)
        self._exposure.update(frame.exposure)
        self._album.add(frame, self._history.frames, keep=self._incident is None)
        alarmed = self._charts.update(x)
        if self._incident is None:
            return self._watch(frame, x, charts=alarmed)
        return self._follow(frame)

    def save(self, path: Path) -> None:
        """Write what must survive a restart.

        Raises
        ------
        OSError
            The folder cannot be written.
        """
        arrays = {
            f"{name}.{key}": value
            for name, part in self._parts().items()
            for key, value in part.state().items()
        }
        memory = _Memory(self._model.bundle, self._incident, self._evidence)
        write_memory(path, arrays, msgspec.json.encode(memory))

    def restore(self, path: Path) -> str:
        """Go on from what was saved; return why that is impossible, empty when it is not."""
        fresh = Monitor(self._model)
        try:
            stored = read_memory(path)
            if stored is None:
                return "there is no earlier state"
            arrays, meta = stored
            memory = msgspec.json.decode(meta, type=_Memory)
            if memory.bundle != self._model.bundle:
                return f"the earlier state is of bundle {memory.bundle}"
            for name, part in fresh._parts().items():
                own = {key: key.removeprefix(f"{name}.") for key in arrays if key.startswith(name)}
                part.restore({short: arrays[key] for key, short in own.items()})
        except (OSError, ValueError, KeyError, msgspec.MsgspecError) as error:
            return f"the earlier state cannot be used: {error}"
        self._charts, self._ranks = fresh._charts, fresh._ranks
        self._settling, self._history = fresh._settling, fresh._history
        self._exposure = fresh._exposure
        self._incident, self._evidence = memory.incident, memory.evidence
        return ""

    def _parts(self) -> dict[str, Charts | EDetector | Settling | History | ExposureWatch]:
        return {
            "charts": self._charts,
            "ranks": self._ranks,
            "settling": self._settling,
            "history": self._history,
            "exposure": self._exposure,
        }

    def _watch(self, frame: Frame, x: Doubles, *, charts: bool) -> Report | None:
        ranks = self._ranks.update(x)
        if not self._settling.done:
            self._settle(x)
        if not charts and not ranks and not self._exposure.moved:
            return None
        leading, took = self._charts.leading()
        if self._exposure.moved and not ranks:
            took = max(took, PATIENCE)
        elif not charts:
            leading = self._ranks.leading()
            took = max(self._charts.onset(leading), self._model.spec.channels[leading].block)
        took = min(took, self._history.frames)
        count = self._history.frames
        since = self._album.stamp(count, took - 1)
        self._incident = Incident(
            "charts" if charts else "ranks",
            leading,
            *since,
            since_count=count - took,
            took=took,
            due=count + max(took, _SOONEST_UPDATE),
        )
        self._begin_spell()
        return self._report("raised", frame)

    def _follow(self, frame: Frame) -> Report | None:
        incident, count = self._incident, self._history.frames
        assert incident is not None
        if count >= incident.spell_end:
            calm = self._calm(count - incident.spell_start)
            if incident.calm and not calm:  # it is back: the calm between says nothing of it
                incident.since_count, incident.due = incident.spell_start, count
            incident.calm = incident.calm + 1 if calm else 0
            if incident.calm >= _CALM_SPELLS:
                return self._clear(frame)
            self._begin_spell()
        if count < incident.due or incident.calm:
            return None
        if self._calm(min(_SPELL, count - incident.since_count)):
            incident.due = incident.spell_end  # it may be over: what came since would dilute it
            return None
        incident.due = count + (count - incident.since_count)
        before = self._evidence
        report = self._report("updated", frame)
        return report if is_news(before, report.evidence) else None

    def _clear(self, frame: Frame) -> Report:
        report = self._report("cleared", frame)
        self._incident = self._evidence = None
        self._charts.reset()
        self._ranks.reset()
        return report

    def _begin_spell(self) -> None:
        assert self._incident is not None
        lengths = [correlation_length(c) for c in self._model.spec.channels]
        patience = ceil(_BLOCK_LENGTHS * float(np.median(lengths)))
        start = self._history.frames
        self._incident.spell_start = start
        self._incident.spell_end = start + max(_SPELL, 2 * self._incident.took, patience)

    def _calm(self, spell: int) -> bool:
        """Return whether the last frames looked like the references."""
        means, frames = self._history.mean(spell)
        return not self._exposure.outside and all(
            abs(float(means[i]) - c.mean) <= c.dead_band + _CALM_ERRORS * standard_error(c, frames)
            for i, c in enumerate(self._model.spec.channels)
        )

    def _report(self, state: Word, frame: Frame) -> Report:
        incident = self._incident
        assert incident is not None
        evidence = self._evidence
        if state != "cleared" or evidence is None:
            means, frames = self._history.mean(self._history.frames - incident.since_count)
            evidence = self._witness.testify(
                means, frames, incident.leading, incident.monitor, incident.since_frame
            )
            light = self._model.spec.channels[0]
            off = (float(means[0]) - light.mean) / standard_error(light, frames)
            evidence = self._exposure.explain(evidence, off)
        self._evidence = evidence
        before = self._album.before(incident.since_count)
        return Report(state, evidence, incident.since_wall_ns, before, small(frame.image))

    def _settle(self, x: Doubles) -> None:
        """After the first frames, believe them where neighbours are more alike than thought."""
        self._settling.update(x)
        if not self._settling.done:
            return
        measured = self._settling.correlation()
        rho = np.maximum(self._charts.rho, measured)
        if (rho > self._charts.rho).any():
            self._charts.prewhiten(rho)
            self._ranks.lengthen(np.ceil(_BLOCK_LENGTHS * (1 + measured) / (1 - measured)))


class _Memory(msgspec.Struct):
    bundle: str
    incident: Incident | None
    evidence: DriftEvidence | None
