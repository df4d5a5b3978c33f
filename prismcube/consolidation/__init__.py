"""Consolidation: datasets of one instance, rewritten on the grid of a layout for fast reading."""
