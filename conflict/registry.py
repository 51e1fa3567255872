"""Every gradient strategy, rescaling and value target by name; nothing here loads torch until something is made.

To add one: write its file, its options beside the others', and one line below.
"""

import difflib
import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from conflict.rescaling.options import (
    DWAOptions,
    FAMOOptions,
    FixedScalesOptions,
    GeometricOptions,
    GradNormOptions,
    IdentityOptions,
    IMTLLOptions,
    MaxReturnOptions,
    PopArtOptions,
    ReturnScaleOptions,
    RLWOptions,
    STCHOptions,
    TaskRatesOptions,
    UncertaintyOptions,
)
from conflict.strategies.options import (
    AlignedMTLOptions,
    CAGradOptions,
    FairGradOptions,
    FixedOptions,
    GradDropOptions,
    GradVacOptions,
    NashMTLOptions,
    SDMGradOptions,
    StrategyOptions,
)
from conflict.value.options import C51Options, HLGaussOptions, RegressionOptions, SymlogRegressionOptions, TwoHotOptions

if TYPE_CHECKING:
    from conflict.rescaling.rescaling import Rescaling
    from conflict.strategies.strategy import Strategy
    from conflict.value.value_target import ValueTarget


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Where something registered lives, and what it takes."""

    target: str
    """``module:attribute`` of the class or function that makes it."""
    options: type
    """Frozen dataclass of its options."""
    summary: str
    """One line for listings."""


STRATEGIES: dict[str, Entry] = {
    "mean": Entry(
        target="conflict.strategies.mean:Mean",
        options=StrategyOptions,
        summary="the plain mean of the task gradients",
    ),
    "fixed": Entry(
        target="conflict.strategies.fixed:Fixed",
        options=FixedOptions,
        summary="weights that an option gives",
    ),
    "random": Entry(
        target="conflict.strategies.random_weights:RandomWeights",
        options=StrategyOptions,
        summary="weights drawn anew at every update (Lin et al. 2022)",
    ),
    "pcgrad": Entry(
        target="conflict.strategies.pcgrad:PCGrad",
        options=StrategyOptions,
        summary="project each gradient off those it conflicts with (Yu et al. 2020)",
    ),
    "gradvac": Entry(
        target="conflict.strategies.gradvac:GradVac",
        options=GradVacOptions,
        summary="turn gradients towards their usual similarity (Wang et al. 2021)",
    ),
    "graddrop": Entry(
        target="conflict.strategies.graddrop:GradDrop",
        options=GradDropOptions,
        summary="keep one sign per parameter, drawn by its share (Chen et al. 2020)",
    ),
    "mgda": Entry(
        target="conflict.strategies.mgda:MGDA",
        options=StrategyOptions,
        summary="the shortest convex combination (Désidéri 2012, Sener and Koltun 2018)",
    ),
    "cagrad": Entry(
        target="conflict.strategies.cagrad:CAGrad",
        options=CAGradOptions,
        summary="help the worst-off task, near the mean (Liu et al. 2021)",
    ),
    "sdmgrad": Entry(
        target="conflict.strategies.sdmgrad:SDMGrad",
        options=SDMGradOptions,
        summary="MGDA with a pull towards the mean (Xiao et al. 2023)",
    ),
    "imtl-g": Entry(
        target="conflict.strategies.imtl_g:IMTLG",
        options=StrategyOptions,
        summary="equal projections on all gradients (Liu et al. 2021)",
    ),
    "config": Entry(
        target="conflict.strategies.config:ConFIG",
        options=StrategyOptions,
        summary="equal cosines, the length of the projections (Liu et al. 2025)",
    ),
    "nash-mtl": Entry(
        target="conflict.strategies.nash_mtl:NashMTL",
        options=NashMTLOptions,
        summary="the tasks' bargaining solution (Navon et al. 2022)",
    ),
    "fairgrad": Entry(
        target="conflict.strategies.fairgrad:FairGrad",
        options=FairGradOptions,
        summary="alpha-fair improvements (Ban and Ji 2024)",
    ),
    "aligned-mtl": Entry(
        target="conflict.strategies.aligned_mtl:AlignedMTL",
        options=AlignedMTLOptions,
        summary="make principal components equally long (Senushkin et al. 2023)",
    ),
    "dualproj": Entry(
        target="conflict.strategies.dualproj:DualProj",
        options=StrategyOptions,
        summary="the mean, projected to conflict with no task (Lopez-Paz and Ranzato 2017)",
    ),
    "upgrad": Entry(
        target="conflict.strategies.upgrad:UPGrad",
        options=StrategyOptions,
        summary="each gradient, projected to conflict with no task (Quinton and Rey 2024)",
    ),
}

RESCALINGS: dict[str, Entry] = {
    "none": Entry(
        target="conflict.rescaling.rescaling:Identity",
        options=IdentityOptions,
        summary="losses and returns as they are",
    ),
    "fixed": Entry(
        target="conflict.rescaling.fixed:FixedScales",
        options=FixedScalesOptions,
        summary="fixed weights on the losses",
    ),
    "uncertainty": Entry(
        target="conflict.rescaling.uncertainty:Uncertainty",
        options=UncertaintyOptions,
        summary="each loss over its learnt variance (Kendall et al. 2018)",
    ),
    "dwa": Entry(
        target="conflict.rescaling.dwa:DWA",
        options=DWAOptions,
        summary="more weight to losses that fall slowly (Liu et al. 2019)",
    ),
    "rlw": Entry(
        target="conflict.rescaling.rlw:RLW",
        options=RLWOptions,
        summary="random weights in every update (Lin et al. 2022)",
    ),
    "famo": Entry(
        target="conflict.rescaling.famo:FAMO",
        options=FAMOOptions,
        summary="all losses fall at the same relative rate (Liu et al. 2023)",
    ),
    "imtl-l": Entry(
        target="conflict.rescaling.imtl_l:IMTLL",
        options=IMTLLOptions,
        summary="all losses at the same size, by learnt factors (Liu et al. 2021)",
    ),
    "stch": Entry(
        target="conflict.rescaling.stch:STCH",
        options=STCHOptions,
        summary="weight to the relatively worst task, smoothly (Lin et al. 2024)",
    ),
    "geometric": Entry(
        target="conflict.rescaling.geometric:Geometric",
        options=GeometricOptions,
        summary="the geometric mean of the losses (Chennupati et al. 2019)",
    ),
    "task-rates": Entry(
        target="conflict.rescaling.task_rates:TaskRates",
        options=TaskRatesOptions,
        summary="a learning rate a task, by its gradients' running size (Yang et al. 2023)",
    ),
    "gradnorm": Entry(
        target="conflict.rescaling.gradnorm:GradNorm",
        options=GradNormOptions,
        summary="weight losses towards like gradient norms and training rates (Chen et al. 2018)",
    ),
    "popart": Entry(
        target="conflict.rescaling.popart:PopArt",
        options=PopArtOptions,
        summary="normalise returns per task, outputs preserved (Hessel et al. 2018)",
    ),
    "popart-global": Entry(
        target="conflict.rescaling.popart:popart_global",
        options=PopArtOptions,
        summary="normalise returns over all tasks, outputs preserved (van Hasselt et al. 2016)",
    ),
    "return-scale": Entry(
        target="conflict.rescaling.return_scale:ReturnScale",
        options=ReturnScaleOptions,
        summary="returns over a scale from their variance (Schaul et al. 2021)",
    ),
    "max-return": Entry(
        target="conflict.rescaling.return_scale:MaxReturn",
        options=MaxReturnOptions,
        summary="returns over the task's largest so far",
    ),
}

VALUE_TARGETS: dict[str, Entry] = {
    "regression": Entry(
        target="conflict.value.regression:Regression",
        options=RegressionOptions,
        summary="the value itself, by squared error or Huber's loss",
    ),
    "symlog-regression": Entry(
        target="conflict.value.symlog_regression:SymlogRegression",
        options=SymlogRegressionOptions,
        summary="the symmetric logarithm of the value, by squared error (Hafner et al. 2023)",
    ),
    "two-hot": Entry(
        target="conflict.value.two_hot:TwoHot",
        options=TwoHotOptions,
        summary="classification into the two nearest bins, in symlog or linear spacing",
    ),
    "hl-gauss": Entry(
        target="conflict.value.hl_gauss:HLGauss",
        options=HLGaussOptions,
        summary="classification with a Gaussian spread (Farebrother et al. 2024)",
    ),
    "c51": Entry(
        target="conflict.value.c51:C51",
        options=C51Options,
        summary="the distribution of returns, projected from the next state's (Bellemare et al. 2017)",
    ),
}


def make_strategy(name: str, num_tasks: int, options: Mapping[str, object] | None = None) -> "Strategy":
    """The strategy ``name`` for ``num_tasks`` tasks."""
    entry = find("strategy", name, STRATEGIES)
    made: Strategy = _load(entry)(num_tasks, options=make_options(name, entry, options or {}))
    return made


def make_rescaling(
    name: str, *, num_tasks: int, value_shape: Sequence[int] = (1,), options: Mapping[str, object] | None = None
) -> "Rescaling":
    """The rescaling ``name`` for ``num_tasks`` tasks and rows whose returns have shape ``value_shape``."""
    entry = find("rescaling", name, RESCALINGS)
    made: Rescaling = _load(entry)(num_tasks, value_shape, options=make_options(name, entry, options or {}))
    return made


def make_value_target(name: str, options: Mapping[str, object] | None = None) -> "ValueTarget":
    """The value target ``name``."""
    entry = find("value target", name, VALUE_TARGETS)
    made: ValueTarget = _load(entry)(options=make_options(name, entry, options or {}))
    return made


def find(kind: str, name: str, entries: Mapping[str, Entry]) -> Entry:
    """The entry ``name``.

    Raises:
        ValueError: there is none; the message says which names are near and which there are.
    """
    if name in entries:
        return entries[name]
    near = difflib.get_close_matches(name, entries, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
    raise ValueError(f"unknown {kind} {name!r}; {hint}Known: {', '.join(entries)}")


def make_options(name: str, entry: Entry, options: Mapping[str, object]) -> Any:
    """The options of an entry, checked; loads no torch.

    Whole numbers may come as floats, and switches as numbers or words, as they do from a command line.

    Raises:
        ValueError: an option that the entry does not have, or a value out of its range.
    """
    types = {field.name: field.type for field in fields(entry.options)}
    unknown = [key for key in options if key not in types]
    if unknown:
        valid = f"valid options: {', '.join(types)}" if types else "it has none"
        raise ValueError(f"{name} has no option {', '.join(map(repr, unknown))}; {valid}")
    return entry.options(**{key: _coerce(name, key, value, types[key]) for key, value in options.items()})


SWITCHES = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False, "1": True, "0": False}


def _coerce(name: str, key: str, value: object, wanted: object) -> object:
    if wanted is bool:
        word = f"{value:g}" if isinstance(value, float) else str(value).lower()
        if word not in SWITCHES:
            raise ValueError(f"{name}: option {key} is true or false, got {value!r}")
        return SWITCHES[word]
    if wanted in (int, float) and (isinstance(value, bool) or not isinstance(value, (int, float))):
        raise ValueError(f"{name}: option {key} is a number, got {value!r}")
    if wanted is int and isinstance(value, float):
        if not value.is_integer():
            raise ValueError(f"{name}: option {key} is a whole number, got {value}")
        return int(value)
    return value


def _load(entry: Entry) -> Any:
    module, attribute = entry.target.split(":")
    return getattr(importlib.import_module(module), attribute)
