"""A loss that is not finite, on a device: nothing changes any more, and who reads is told."""

import numpy as np
import pytest

from tests.backends.cuda.small_models import SPARSE, cnn, data
from tests.backends.cuda.strict import StrictDevice
from tinyconv import Input, Sequential, layers, optimizers
from tinyconv.callbacks import Callback
from tinyconv.utils import set_random_seed


@pytest.mark.parametrize("records", [False, True])
def test_after_a_loss_that_is_not_finite_nothing_changes(on, records):
    device = StrictDevice(records=records)
    on(device)
    set_random_seed(7)
    x, y = data(64)
    bad = 5  # of eight steps
    model = cnn(dropout=0)
    compiled = {"optimizer": optimizers.Adam(weight_decay=0.01), "loss": SPARSE}
    model.compile(**compiled)
    before = []

    class Spoils(Callback):
        def on_train_batch_begin(self, batch, logs=None):
            before.append([w.value.copy() for w in self.model.weights])
            if batch == bad:  # no input holds NaN: fit would have told
                self.model.optimizer.learning_rate = 1e38
            if batch == bad + 1:
                self.model.optimizer.learning_rate = 0.001

    with pytest.raises(FloatingPointError) as told:
        model.fit(x, y, batch_size=8, verbose=0, shuffle=False, callbacks=[Spoils()])
    assert len(before) == 8  # nobody looked before the epoch was over
    failed = model.optimizer.iterations
    assert bad < failed < 8
    assert f"after {failed} steps" in str(told.value)
    expected = [device.to_numpy(w) for w in before[failed]]
    for a, b in zip(expected, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    model.set_weights([np.nan_to_num(w * 0, posinf=0, neginf=0) for w in model.get_weights()])
    model.compile("sgd", SPARSE)
    assert np.isfinite(model.fit(x, y, epochs=2, verbose=0).history["loss"]).all()


def test_who_reads_in_time_stops_in_time(on):
    on(StrictDevice())
    x, _ = data(16)
    model = Sequential([Input((8, 8, 1)), layers.Flatten(), layers.Dense(5)])
    model.compile(optimizers.SGD(1e30), "mse")
    targets = np.zeros((16, 5), "float32")

    def steps():
        for _ in range(5):
            model.train_on_batch(x, targets)

    with pytest.raises(FloatingPointError, match="The weights are those before this step"):
        steps()
    assert all(np.isfinite(w).all() for w in model.get_weights())
