"""Systems under test: the interface, the registry, and one file for each adapter."""
