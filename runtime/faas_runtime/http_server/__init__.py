"""A small HTTP/1.1 server: connections, messages, CORS and a check of the Host header.

It knows nothing of Lambda, and imports nothing else of this project.
"""
