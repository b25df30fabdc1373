"""Networks out of operational amplifiers that exist, on supplies that exist."""
