"""What units are told: content, escalation, and what is to be published."""
