"""Keeps processes running: supervisors, and the services of a manifest."""
