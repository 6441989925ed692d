"""The description of the API, made from the code: a build tool that is not deployed."""
