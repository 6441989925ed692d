"""A custom connector for Power Platform; readme.md says how to use it."""
