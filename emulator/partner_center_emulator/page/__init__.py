"""The page that shows in a browser what happens in the local cloud, and lets things happen."""
