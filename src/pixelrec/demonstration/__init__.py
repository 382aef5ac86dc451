"""The generated world of `pixelrec demo` and of the tests, and the demonstration in it.

A world is written as the files a user would bring; the rest of the package reads it like any other data.
"""
