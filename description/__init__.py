"""Generates the description of the API from the code: a build tool that is not deployed."""
