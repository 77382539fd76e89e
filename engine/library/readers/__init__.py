"""Readers: one file in, its pages and headings out. They run in the parser process only."""
