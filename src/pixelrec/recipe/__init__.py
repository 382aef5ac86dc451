"""Recipes: reading YAML, checking it against the signatures of the classes it names, building their objects.

The room knows which words there are and what they may be; it must not know runs, folders or devices.
"""
