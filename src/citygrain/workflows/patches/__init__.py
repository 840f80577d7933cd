"""Models of patches: files of patches, their training, comparison and scores."""
