"""What keeps the promises of the ports: one folder, or file, a technology."""
