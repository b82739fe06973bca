"""Audio files and what they say of themselves."""
