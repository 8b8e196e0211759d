"""What the kernel and its writers do: key catalogue, comparison of values, conntrack sizing."""
