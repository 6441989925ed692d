"""Partner Center is asked with care: retries, pauses, and what its answers mean."""
