"""The fast engine: the circuit's wave equations solved for whole batches by matrix products."""

from diodeq.simulators.wave.simulator import WavePoint, WaveSimulator

__all__ = ["WavePoint", "WaveSimulator"]
