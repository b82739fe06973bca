"""Tables and plots of stored summaries."""
