"""What is computed per pixel from the bands: spectral indices, band maths, the feature stack."""
