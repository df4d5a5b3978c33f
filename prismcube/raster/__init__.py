"""Raster files as GDAL sees them."""
