"""Published simulations."""
