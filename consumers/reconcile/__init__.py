"""What must agree between Kafka and the registry, counted on both sides."""
