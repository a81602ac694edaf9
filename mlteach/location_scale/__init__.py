"""Location-scale models."""
