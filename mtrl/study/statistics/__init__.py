"""What the scores of several runs support: aggregates, intervals, comparisons; pure functions, without torch."""
