"""Models: one backend interface, two implementations, and what both share."""
