"""The blog as an HTTP JSON API."""
