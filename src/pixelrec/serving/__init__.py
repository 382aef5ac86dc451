"""Serving runs over HTTP: an interface for programs below `/v1`, and pages for people."""
