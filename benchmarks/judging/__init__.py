"""Comparison of results with the truth of benchmark data."""
