"""Jobs, the plan that says which of them must run, the scheduler that runs them, and the report.

It knows no kind of artefact. It may import `core` and `manifest`.
"""
