"""Drift checks that systemd or cron start again and again on the controller."""
