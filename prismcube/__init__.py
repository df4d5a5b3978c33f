"""The domain of Prismcube, free of any web framework: catalogue, pixels, ledger and tiles.

Layers, top to bottom (import-linter enforces them, see `pyproject.toml`):

    consolidation | render  >  cube  >  encode | jobs  >  catalogue | raster  >  storage  >  model  >  errors
"""
