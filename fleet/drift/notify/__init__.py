"""Telling others what a drift check has opened and closed."""
