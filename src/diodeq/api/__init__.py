"""What ``import diodeq`` offers: one function for each thing that people do with circuits.

Everything here is a call or two of the rooms below, with defaults, and takes names where these take objects: a part, an
engine, a data set, a file.
"""
