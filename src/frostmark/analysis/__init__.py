"""Rows become numbers and maps; nothing here knows Lightning."""
