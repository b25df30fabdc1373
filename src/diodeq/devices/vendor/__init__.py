"""What vendors ship: ``.model`` cards and subcircuits, read into models."""
