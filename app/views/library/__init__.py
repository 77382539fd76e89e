"""The library dock: drop zone, table of documents, search in their text."""
