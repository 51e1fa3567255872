"""What a run shows: statistics, plots, one page."""
