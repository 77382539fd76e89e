"""Strata's engine: models, levels, library and memory, without a window."""
