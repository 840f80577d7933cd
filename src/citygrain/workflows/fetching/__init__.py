"""Imagery, references and radar of an area, from a catalogue onto one grid."""
