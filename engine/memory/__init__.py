"""Memory: estimates before loading, measurements while running."""
