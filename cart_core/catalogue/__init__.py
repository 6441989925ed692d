"""The catalogue: which availability a line means. No input and no output."""
