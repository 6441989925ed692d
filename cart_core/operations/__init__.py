"""What is accepted now and worked off later: its records, its bells, and who answers them."""
