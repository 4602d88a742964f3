"""Lua processes."""
