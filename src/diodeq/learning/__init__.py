"""Learning: losses, gradient rules, updates, data sets, and the trainer that joins them over a simulator."""
