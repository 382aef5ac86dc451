"""The interface for programs, version 1: JSON in and out, described by `/v1/openapi.json`."""
