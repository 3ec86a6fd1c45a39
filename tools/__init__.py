"""What people run beside the agent."""
