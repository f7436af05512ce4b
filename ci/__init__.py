"""The release tooling: one manifest in, every package and image out. Run as `python -m ci COMMAND`."""
