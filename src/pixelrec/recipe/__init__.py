"""Recipes: reading YAML, checking it against the signatures of the classes it names, building their objects.

The room knows which options there are and their types and limits; it must not know runs, folders or devices.
"""
