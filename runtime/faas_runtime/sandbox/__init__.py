"""Execution environments: a pool of processes that speak the Lambda Runtime API, and the invocations that they run.

It starts any executable that speaks the Runtime API, and knows nothing of the runtime in this project. It imports
`http_server` and `event_loop`, and nothing else of it.
"""
