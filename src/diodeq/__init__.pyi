from . import devices as devices
from .api.making import compile as compile
from .api.making import layered as layered
from .api.making import prune as prune
from .api.making import quantize as quantize
from .api.reading import export as export
from .api.reading import load as load
from .api.reading import save as save
from .api.running import gradient as gradient
from .api.running import simulate as simulate
from .api.running import verify as verify
from .api.series import compare as compare
from .api.series import front as front
from .api.studies import crossbar as crossbar
from .api.studies import monte_carlo as monte_carlo
from .api.studies import settle as settle
from .api.training import Trained as Trained
from .api.training import train as train
from .circuit import Circuit as Circuit
from .devices.hardware.technology import Technology as Technology
from .errors import DiodeqError as DiodeqError
from .network import Network as Network
from .network import Stage as Stage
from .synthesis import Assembly as Assembly

__version__: str
from .api.estimators import CircuitClassifier as CircuitClassifier
from .api.estimators import CircuitRegressor as CircuitRegressor
