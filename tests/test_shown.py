"""How objects that are printed show themselves."""

import tinyconv as tc


def test_optimizers_losses_and_metrics_print_as_the_call_that_makes_them():
    adam = repr(tc.optimizers.Adam(0.01, clipnorm=1.0))
    assert adam.startswith("Adam(name='adam', clipnorm=1.0, ")
    assert "learning_rate=0.01" in adam
    assert "None" not in adam
    decay = tc.optimizers.schedules.ExponentialDecay(0.1, 5, 0.9)
    assert "'class_name': 'ExponentialDecay'" in repr(tc.optimizers.SGD(decay))
    loss = tc.losses.MeanSquaredError(name="distance")
    assert repr(loss) == "MeanSquaredError(reduction='sum_over_batch_size', name='distance')"
    assert repr(tc.metrics.BinaryAccuracy()) == (
        "BinaryAccuracy(name='binary_accuracy', threshold=0.5)"
    )
    for made in (adam, repr(loss)):
        assert repr(eval(made, vars(tc.optimizers) | vars(tc.losses))) == made


def test_callbacks_print_their_class():
    class Mine(tc.callbacks.Callback):
        def __init__(self):
            self.lots = list(range(9999))

    assert repr(Mine()) == "<callback Mine>"
