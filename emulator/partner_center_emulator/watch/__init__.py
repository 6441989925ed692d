"""What arrives at the local cloud, and the faults that can be injected into its answers."""
