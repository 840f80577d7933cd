"""Urban land-cover and Local Climate Zone maps from Sentinel imagery."""

__version__ = "0.1.0"
