"""The console for analysts and officers in a browser."""
