"""The main job: from a scene and a reference to a map that says how good it is."""
