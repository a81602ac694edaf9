"""mlteach."""
