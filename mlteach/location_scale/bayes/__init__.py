"""Location-scale models by Bayes."""
