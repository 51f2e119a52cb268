"""Makes the maps of both splits once the pass is over, and has them recorded: on disk and in MLflow.

Maps(MapMaking(TSNE(), setting, print), observed, record)
"""

from __future__ import annotations

import pytorch_lightning as pl

from frostmark.analysis.maps import MapMaking
from frostmark.analysis.observed import Observed
from frostmark.results.record import Record


class Maps(pl.Callback):
    """Fits the reducer on rank zero.

    Args:
        making: how.
        observed: what the pass collects.
        record: of the run, which draws and logs the maps.

    Attributes:
        maps: once the pass is over, the maps, or why there are none.
    """

    def __init__(self, making: MapMaking, observed: Observed, record: Record) -> None:
        self.maps = making.none("the pass is not over")
        self._making = making
        self._observed = observed
        self._record = record

    def on_predict_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.is_global_zero:
            self.maps = self._making.maps(self._observed.splits)
            self._record.add_maps(self.maps)
