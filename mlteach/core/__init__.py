"""What all models share: rows, small matrices, one optimiser, how results look."""
