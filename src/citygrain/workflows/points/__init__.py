"""Samples of points: planned, drawn, labelled and read back."""
