"""What can be said of a circuit: certificates, and how far it is from the network it was compiled from."""
