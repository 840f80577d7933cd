"""Judging any labels against any reference, with the sides of the matrix always named."""
