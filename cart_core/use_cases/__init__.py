"""What the product does: each use case takes a command and gives an answer."""
