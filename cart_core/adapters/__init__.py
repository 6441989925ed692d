"""The adapters: one module for each vendor whose service or library the app uses."""
