"""The perceptual distance Zimtohrli, in and out of process."""
