"""An emulator of AWS Lambda for one function: `faas-runtime serve` and `faas-runtime invoke`.

The emulator is the parent and plays the platform; the runtime runs as its child exactly as on Lambda. Nothing here is
imported on the way to an invocation on Lambda itself.
"""
