"""Texts that others read and write, to and from views: pure, without a framework, for HTTP and the command line."""
