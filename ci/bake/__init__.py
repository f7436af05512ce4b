"""Renders the templates in `recipes/` from a `Release`, and compares the committed files with the rendered ones.

How a text is quoted for a packaging language belongs here too. It may import `core` and `manifest`.
"""
