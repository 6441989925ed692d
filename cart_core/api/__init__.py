"""HTTP: a request is read, and an answer is written."""
