"""Records by HTTP."""
