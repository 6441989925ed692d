"""Requests to Partner Center: tokens, retries, pauses, and what the answers mean."""
