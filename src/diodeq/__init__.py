"""Neural networks as resistor-diode circuits: compiled, simulated in ngspice, trained in circuit.

Names are loaded when they are first used; ``__init__.pyi`` says where each is defined.
"""

import lazy_loader

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
