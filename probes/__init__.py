"""Attacks and faults, run against a service of their own: bounded scripts that print figures."""
