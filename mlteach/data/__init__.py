"""The data sets that come with mlteach, and others that are drawn or read."""
