"""The report of a run as one HTML page: view (plain values), tables, figures, thumbnails, templates.

This room turns plain values into a page. It opens no run and no data set, and computes no metric.
"""
