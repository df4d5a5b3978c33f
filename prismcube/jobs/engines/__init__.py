"""Engines execute attempts of tasks; they decide nothing and remember nothing."""
