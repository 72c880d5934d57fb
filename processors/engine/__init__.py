"""All that knows Faust."""
