"""The charts of a study, each a function from results to a figure, or None where there is nothing to draw yet."""
