"""Runs the app on this machine, in the emulated cloud: a demo, a server, and a Functions host."""
