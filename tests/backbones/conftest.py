"""Plugins that are installed for one test."""

from __future__ import annotations

from support.fixtures import see_plugins

__all__ = ["see_plugins"]
