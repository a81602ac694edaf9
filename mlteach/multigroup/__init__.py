"""The two-level multigroup model of means and (co)variances, and the wide format."""
