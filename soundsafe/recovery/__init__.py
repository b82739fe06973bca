"""What `decode` tries when the plain reading finds nothing: echoes, speed, tempo, pitch, pieces."""
