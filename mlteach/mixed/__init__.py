"""The two-level linear mixed model."""
