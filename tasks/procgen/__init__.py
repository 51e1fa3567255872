"""Procgen: 16 games whose levels are made from a number, as the source ``procgen:GAME`` and suites of it."""

from tasks.procgen.source import Procgen
from tasks.procgen.suites import procgen_5, procgen_16, procgen_16_hard, procgen_16_memory, procgen_quick

__all__ = ["Procgen", "procgen_5", "procgen_16", "procgen_16_hard", "procgen_16_memory", "procgen_quick"]
