"""Mixtures of experts: maps from features to features that tasks share in part, each as its paper says."""
