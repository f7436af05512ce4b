"""Libraries as files: format, processor, C library, and whether the file is complete. Imports nothing of ours."""
