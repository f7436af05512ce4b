"""The project in a folder: what builds it, and where its library is."""
