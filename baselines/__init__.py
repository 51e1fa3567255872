"""What the agent is measured against."""
