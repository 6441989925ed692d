"""The app on this machine, with the local cloud around it: demo, run, and a Functions host."""
