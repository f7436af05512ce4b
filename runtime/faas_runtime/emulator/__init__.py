"""The emulator of AWS Lambda for one function: `faas-runtime serve` and `faas-runtime invoke`.

It offers Lambda's Invoke API (`lambda_api`) and HTTP (`http_api`), and runs the function in `sandbox`. It imports
`sandbox`, `http_server`, `event_loop`, `binary`, and of the runtime's core `errors`, `library` and `command_line`.
Nothing here is imported for an invocation on Lambda itself.

What is too large is refused with 413: see `size_limits`.
"""
