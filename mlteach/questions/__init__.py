"""Questions put to data and to fits."""
