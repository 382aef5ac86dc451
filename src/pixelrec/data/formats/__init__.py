"""Folders of other programs: recognised by their files, and read as if these were given by options."""
