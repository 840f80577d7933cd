"""Maps of another scene by a model that is already trained."""
