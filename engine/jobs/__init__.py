"""What each command does: the only place where the rooms meet."""
