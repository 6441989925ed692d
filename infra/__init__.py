"""The templates of the infrastructure, and the building of what is deployed."""
