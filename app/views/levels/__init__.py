"""The five strips and what they are made of."""
