"""Classifiers behind one protocol: forest, MLP, CNN; their cards, recipes and networks."""
