"""Studies: grids of methods, conditions and seeds on one suite, run under one protocol."""
