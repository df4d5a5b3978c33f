"""Search, download, preprocessing and indexing of images: how an archive enters the catalogue."""
