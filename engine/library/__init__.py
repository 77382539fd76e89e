"""The library: readers, chunks, embedding, LanceDB store, search, prompts and citations."""
