"""The checker's own behaviour: what it refuses, what it leaves alone, what it prints."""

import copy

import numpy as np
import pytest

from tests.layers.cases import Case
from tests.layers.planted import of_input, of_parameter, plant
from tinyconv import Input, Model, Sequential, layers, random
from tinyconv.testing import GradientReport, Row, gradcheck

DENSE = Case(layers.Dense, {"units": 2, "name": "dense"}, (3, 4))


@pytest.mark.parametrize(
    "layer",
    [
        layers.Dense(2),
        layers.ReLU(),
        layers.Dense(2, dtype="float32"),
        Sequential([Sequential([layers.Dense(2, dtype="float64"), layers.Softmax()])]),
    ],
    ids=["parameters", "no parameters", "explicit", "one layer of a nested model"],
)
def test_float32_is_refused(layer):
    with pytest.raises(ValueError, match="a gradient check needs dtype='float64'"):
        gradcheck(layer, np.ones((3, 4)))


def test_a_model_need_not_say_float64_itself():
    model = Sequential([layers.Dense(2, dtype="float64"), layers.Softmax(dtype="float64")])
    assert gradcheck(model, DENSE.x()).passed


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (lambda *a: (a[3], {"kernel": a[4]["kernel"]}), "one gradient for each parameter"),
        (lambda *a: (a[3], {**a[4], "gamma": a[4]["bias"]}), "one gradient for each parameter"),
        (of_parameter("bias", lambda g: g[:, None]), "one gradient for each parameter"),
        (of_parameter("kernel", np.transpose), "one gradient for each parameter"),
        (of_input(lambda dx, *_: dx[:1]), r"expected dx of shape \(3, 4\). Received: \(1, 4\)"),
    ],
    ids=["missing key", "extra key", "bias of 2 axes", "kernel transposed", "dx of one sample"],
)
def test_wrong_keys_and_shapes(mistake, message):
    with pytest.raises(AssertionError, match=message):
        gradcheck(plant(DENSE.layer(), mistake), DENSE.x())


@pytest.mark.parametrize("of", ["dx", "grads"])
def test_a_backward_that_forgets_its_cache_is_noticed(of: str):
    def use_up(layer, dy, cache, dx, grads):
        cache.uses = getattr(cache, "uses", 0) + 1
        if of == "dx":
            return dx * cache.uses, grads
        return dx, {key: grad * cache.uses for key, grad in grads.items()}

    with pytest.raises(AssertionError, match="a second backward with the same cache"):
        gradcheck(plant(DENSE.layer(), use_up), DENSE.x())


@pytest.mark.parametrize(
    "case",
    [
        DENSE,
        Case(layers.BatchNormalization, {}, (4, 3)),
        Case(layers.Dropout, {"rate": 0.5}, (4, 3)),
        Case(layers.Dropout, {"rate": 0.5, "seed": 3}, (4, 3)),
    ],
    ids=["Dense", "BatchNormalization", "Dropout", "seeded Dropout"],
)
def test_the_layer_is_left_as_it_was(case: Case):
    layer, x = case.layer(), case.x()
    twin, untouched = copy.deepcopy(layer), x.copy()
    state = copy.deepcopy(random.generator().bit_generator.state)
    assert gradcheck(layer, x).passed
    np.testing.assert_array_equal(x, untouched)
    assert vars(layer).keys() == vars(twin).keys()
    for weight, before in zip(layer.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, before)
    assert random.generator().bit_generator.state == state
    if isinstance(layer, layers.Dropout):
        assert layer.generator.bit_generator.state == twin.generator.bit_generator.state


@pytest.mark.parametrize(
    ("layer", "x"),
    [
        (layers.ReLU(dtype="float64"), np.zeros((3, 4))),
        (layers.ReLU(max_value=1.0, dtype="float64"), np.ones((3, 4))),
        (layers.ReLU(threshold=0.5, negative_slope=0.1, dtype="float64"), np.full((3, 4), 0.5)),
        (layers.Activation("leaky_relu", dtype="float64"), np.zeros((3, 4))),
        (layers.MaxPooling2D(2, dtype="float64"), np.ones((1, 4, 4, 2))),
        (layers.GlobalMaxPooling2D(dtype="float64"), np.ones((1, 3, 3, 2))),
        (layers.Conv2D(2, 2, activation="relu", dtype="float64"), np.zeros((1, 3, 3, 1))),
    ],
    ids=["relu", "ceiling", "threshold", "leaky", "max pool", "global max", "Conv2D"],
)
def test_kinks_are_moved_away_from(layer, x):
    report = gradcheck(layer, x)
    assert report.passed, str(report)
    assert any(abs(row.numeric) > 1e-3 for row in report.rows), "moved to where there is a slope"


def test_kinks_everywhere_are_an_error():
    class Noise(layers.Rescaling):
        def forward(self, x, training=False):
            y, cache = super().forward(x, training)
            return y + np.abs(np.sin(y * 1e6)), cache

    with pytest.raises(ValueError, match="found no point without a kink nearby"):
        gradcheck(Noise(1.0, dtype="float64"), np.ones((2, 2)))


def test_seed_chooses_the_direction():
    layer, x = DENSE.layer(), DENSE.x()
    first, again, other = (gradcheck(layer, x, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first.rows[0].analytic != other.rows[0].analytic


def test_tolerance_decides():
    wrong = plant(DENSE.layer(), of_input(lambda dx, *_: dx * 1.001))
    assert not gradcheck(wrong, DENSE.x(), tolerance=1e-4).passed
    assert gradcheck(wrong, DENSE.x(), tolerance=1e-2).passed


def test_training_false_checks_inference():
    case = Case(layers.Dropout, {"rate": 0.5}, (1, 50))
    zeros = of_input(lambda dx, dy, cache: dy * 0 if cache.kept is None else dx)
    layer = plant(case.layer(), zeros)
    assert gradcheck(layer, case.x(), training=True).passed
    assert not gradcheck(layer, case.x(), training=False).passed


def test_the_printed_report():
    rows = Row("x", 1.5, 1.5, 0.0, True), Row("kernel", 2.0, -0.25, 1.125, False)
    assert str(GradientReport("Dense 'dense'", 1e-6, rows)).splitlines() == [
        "Dense 'dense': gradients DIFFER",
        "                      analytic         numeric  relative error  verdict",
        "x                          1.5             1.5        0.00e+00  ok",
        "kernel                       2           -0.25        1.12e+00  WRONG, more than 1e-06",
    ]
    assert str(GradientReport("x", 1e-6, rows[:1])).startswith("x: gradients agree\n")


def test_the_report_names_layer_and_parameters():
    report = gradcheck(DENSE.layer(), DENSE.x())
    assert report.subject == "Dense 'dense'"
    assert [row.name for row in report.rows] == ["x", "kernel", "bias"]
    for row in report.rows:
        assert row.error == pytest.approx(
            abs(row.analytic - row.numeric) / max(abs(row.analytic), abs(row.numeric)), abs=1e-9
        )


def test_the_report_of_a_model_names_paths():
    inner = Sequential([layers.Dense(2, name="a", dtype="float64")], name="inner")
    model = Sequential([inner, layers.Dense(2, name="b", dtype="float64")])
    names = [row.name for row in gradcheck(model, DENSE.x()).rows]
    assert sorted(names) == ["b/bias", "b/kernel", "inner/a/bias", "inner/a/kernel", "x"]


def merged(outputs=1):
    """x_1 and x_2 through one Dense; the sum, or that and one of the two."""
    inputs = [Input((4,), dtype="float64") for _ in range(2)]
    shared = layers.Dense(3, "tanh", name="shared", dtype="float64")
    left, right = (shared(x) for x in inputs)
    both = layers.Add(dtype="float64")([left, right])
    return Model(inputs, both if outputs == 1 else [both, left])


@pytest.mark.parametrize("outputs", [1, 2])
def test_a_model_of_several_inputs_and_outputs(outputs: int):
    report = gradcheck(merged(outputs), [DENSE.x(), DENSE.x(seed=1)])
    assert report.passed, str(report)
    names = [row.name for row in report.rows]
    assert names[:2] == ["x[0]", "x[1]"]
    assert sorted(names[2:]) == ["shared/bias", "shared/kernel"]


def test_every_output_counts():
    """A mistake in the way back from the second output alone is found."""

    def second_forgotten(layer, dy, cache, dx, grads):
        return Model.backward(layer, [dy[0], None], cache)

    report = gradcheck(plant(merged(2), second_forgotten), [DENSE.x(), DENSE.x(seed=1)])
    assert {row.name for row in report.rows if not row.passed} == {
        "x[0]", "shared/kernel", "shared/bias",
    }  # fmt: skip


def test_dx_of_another_number_of_inputs():
    wrong = plant(layers.Add(dtype="float64"), of_input(lambda dx, *_: dx[:1]))
    with pytest.raises(AssertionError, match=r"Add 'add.*': expected 2 dx, one an input. Rec.* 1"):
        gradcheck(wrong, [DENSE.x(), DENSE.x()])


def test_an_input_that_no_output_depends_on_has_the_gradient_0():
    used, unused = Input((4,), dtype="float64"), Input((4,), dtype="float64")
    model = Model([used, unused], layers.Dense(2, dtype="float64")(used))
    row = gradcheck(model, [DENSE.x(), DENSE.x()]).rows[1]
    assert (row.name, row.analytic, row.passed) == ("x[1]", 0, True)


def test_a_deep_model_can_be_checked():
    """Its graph is not copied, which would recurse from layer to layer."""
    x = y = Input((2,), dtype="float64")
    for _ in range(300):
        y = layers.Rescaling(1.0, dtype="float64")(y)
    y = layers.Dense(2, dtype="float64")(y)
    assert gradcheck(Model(x, y), np.ones((1, 2))).passed
