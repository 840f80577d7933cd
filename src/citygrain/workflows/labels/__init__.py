"""Labels: training areas, the doubted ones, and where to label next."""
