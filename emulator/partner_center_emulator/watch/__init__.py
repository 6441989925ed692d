"""What arrived at the local cloud, and how its answers are disturbed."""
