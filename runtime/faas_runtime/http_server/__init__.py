"""A small HTTP/1.1 server: connections, messages, CORS and a check of the Host header.

It knows nothing of Lambda. It imports `event_loop`, and nothing else of this project.
"""
