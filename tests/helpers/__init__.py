"""Toy worlds, files in other people's formats, and hands to drive commands and a browser with."""
