"""Payload bytes to coded bits, and back from soft decisions."""
