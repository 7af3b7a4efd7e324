"""Attacks on the blog and faults of what it runs on, as bounded scripts that print figures. No part of the tests."""
