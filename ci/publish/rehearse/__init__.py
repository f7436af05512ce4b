"""Servers on the loopback that a publication is rehearsed with: stand-ins for the real ones, and as strict as they are.

They keep what they are sent in memory or in a folder, and reach nothing themselves.
"""
