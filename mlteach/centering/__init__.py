"""Level-1 predictors taken apart."""
