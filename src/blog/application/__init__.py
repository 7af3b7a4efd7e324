"""What a blog can do: one module a capability, over the ports that adapters keep."""
