"""What arrives at the local cloud, and the disturbances that can be injected into its answers."""
