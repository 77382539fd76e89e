"""The command line: the same engine without a window."""

from engine.cli.main import main

__all__ = ["main"]
