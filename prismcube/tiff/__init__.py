"""TIFF files by their bytes: where their blocks lie, what is in them, how they are written. No GDAL."""
