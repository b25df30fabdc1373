"""What a circuit is built of and how well: values that can be bought or programmed, limits and spreads."""
