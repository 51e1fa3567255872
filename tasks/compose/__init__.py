"""Suites of one's own: from a YAML file, from other suites, from tasks of third parties. See docs/suites.md."""
