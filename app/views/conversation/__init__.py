"""The conversation: transcript, composer, and what hangs on a message."""
