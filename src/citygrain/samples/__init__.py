"""Samples: references brought to the grid, drawing, balance, splits, and their files."""
