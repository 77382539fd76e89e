"""Strata's window. Never imports torch and friends; talks to the engine through ``app.client``."""
