"""What the registry derives from each kind of event."""
