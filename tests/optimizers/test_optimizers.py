"""Every optimizer against Keras' own, step by step in float64."""

import os

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
keras = pytest.importorskip("keras")

import tinyconv  # noqa: E402
from tinyconv import Input, Sequential, layers, optimizers  # noqa: E402
from tinyconv.optimizers.buffer import ParameterBuffer  # noqa: E402

# Keras' own arrays, with NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")

SHAPES = [(3, 2), (2,), (2, 5), (5,)]
STEPS = 6


@pytest.fixture(autouse=True)
def double_precision():
    """In both libraries; Keras would round the learning rate to float32 otherwise."""
    keras.config.set_floatx("float64")
    tinyconv.config.set_floatx("float64")
    yield
    keras.config.set_floatx("float32")
    tinyconv.config.set_floatx("float32")


@pytest.fixture(params=tinyconv.available_backends())
def backend(request):
    with tinyconv.use_backend(request.param):
        yield


def start():
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape) for shape in SHAPES]


def gradients(step):
    """Of very different sizes from step to step, and exactly zero here and there."""
    rng = np.random.default_rng(100 + step)
    drawn = [10.0 ** (step % 3 - 1) * rng.standard_normal(shape) for shape in SHAPES]
    return [np.where(rng.random(g.shape) < 0.1, 0, g) for g in drawn]


def model():
    """Its four weights have the shapes above."""
    return Sequential([Input((3,)), layers.Dense(2, name="a"), layers.Dense(5, name="b")])


def ours(optimizer, steps=STEPS, before_step=lambda optimizer, step: None):
    net = model()
    net.set_weights(start())
    buffer = ParameterBuffer(net.trainable_weights)
    trace = []
    for step in range(steps):
        before_step(optimizer, step)
        buffer.collect(dict(zip(buffer.paths, gradients(step), strict=True)))
        optimizer.apply(buffer)
        trace.append(net.get_weights())
    return trace


def theirs(optimizer, steps=STEPS, before_step=lambda optimizer, step: None):
    variables = [keras.Variable(values) for values in start()]
    optimizer.build(variables)
    trace = []
    for step in range(steps):
        before_step(optimizer, step)
        optimizer.apply([keras.ops.convert_to_tensor(g) for g in gradients(step)])
        trace.append([keras.ops.convert_to_numpy(variable) for variable in variables])
    return trace


def assert_same_steps(actual, expected):
    for step, (mine, other) in enumerate(zip(actual, expected, strict=True)):
        for values, reference in zip(mine, other, strict=True):
            np.testing.assert_allclose(values, reference, rtol=1e-10, atol=1e-13, err_msg=step)


# All numbers are multiples of a power of two: Keras rounds 0.9 to float32 even in float64.
ALGORITHMS = {
    "sgd": ("SGD", {}),
    "momentum": ("SGD", {"momentum": 0.875}),
    "nesterov": ("SGD", {"momentum": 0.75, "nesterov": True}),
    "rmsprop": ("RMSprop", {"rho": 0.9375}),
    "rmsprop-epsilon": ("RMSprop", {"rho": 0.5, "epsilon": 2**-10}),
    "rmsprop-momentum": ("RMSprop", {"rho": 0.9375, "momentum": 0.75}),
    "rmsprop-centered": ("RMSprop", {"rho": 0.9375, "centered": True}),
    "rmsprop-both": ("RMSprop", {"rho": 0.9375, "centered": True, "momentum": 0.75}),
    "adam": ("Adam", {}),
    "adam-epsilon": ("Adam", {"beta_1": 0.5, "epsilon": 2**-6}),
    "amsgrad": ("Adam", {"amsgrad": True}),
    "adamw": ("AdamW", {"weight_decay": 0.125}),
    "adamw-amsgrad": ("AdamW", {"weight_decay": 0.125, "amsgrad": True}),
}
LIMITS = [
    {},
    {"clipvalue": 0.25},
    {"clipnorm": 0.5},
    {"global_clipnorm": 0.75},
    {"global_clipnorm": 2**20},
    {"weight_decay": 0.0625},
    {"weight_decay": 0.0625, "clipnorm": 0.5},
]


def arguments_of(name):
    """(class, arguments) of an algorithm."""
    cls, arguments = ALGORITHMS[name]
    shared = {"learning_rate": 0.03125}
    if cls != "SGD":
        shared["epsilon"] = 2**-24
    if cls in ("Adam", "AdamW"):
        shared.update(beta_1=0.875, beta_2=1 - 2**-10)
    return cls, {**shared, **arguments}


@pytest.mark.parametrize("limits", LIMITS, ids=str)
@pytest.mark.parametrize("name", ALGORITHMS)
def test_steps_are_keras_steps(name, limits, backend):
    cls, arguments = arguments_of(name)
    arguments.update(limits)
    actual = ours(getattr(optimizers, cls)(**arguments))
    assert_same_steps(actual, theirs(getattr(keras.optimizers, cls)(**arguments)))
    assert np.abs(actual[-1][0] - actual[0][0]).max() > 1e-4


@pytest.mark.parametrize("cls", ["SGD", "RMSprop", "Adam", "AdamW"])
def test_defaults_are_keras_defaults(cls):
    mine, other = getattr(optimizers, cls)(), getattr(keras.optimizers, cls)()
    config, expected = mine.get_config(), other.get_config()
    shared = set(config) & set(expected) - {"name"}
    assert {"learning_rate", "weight_decay", "clipnorm"} <= shared
    for key in shared:
        assert config[key] == pytest.approx(expected[key]), key


@pytest.mark.parametrize("cls", ["SGD", "Adam"])
def test_the_learning_rate_can_be_set_in_mid_training(cls):
    def change(optimizer, step):
        if step == 3:
            optimizer.learning_rate = 0.5

    same = {"beta_1": 0.875, "beta_2": 0.9375, "epsilon": 2**-24} if cls == "Adam" else {}
    mine, other = (getattr(lib, cls)(0.01, **same) for lib in (optimizers, keras.optimizers))
    assert_same_steps(ours(mine, before_step=change), theirs(other, before_step=change))
    assert mine.learning_rate == mine.lr == 0.5


def test_a_schedule_is_asked_at_every_step():
    steps, rates = [2, 4], [0.5, 0.125, 0.0625]
    mine, other = (
        lib.SGD(lib.schedules.PiecewiseConstantDecay(steps, rates))
        for lib in (optimizers, keras.optimizers)
    )
    assert_same_steps(ours(mine), theirs(other))
    assert mine.iterations == STEPS


@pytest.mark.parametrize("cls", ["SGD", "RMSprop", "Adam", "AdamW"])
def test_lr_is_another_spelling_of_learning_rate(cls):
    optimizer = getattr(optimizers, cls)(lr=0.25)
    assert optimizer.learning_rate == 0.25
    optimizer.lr = 0.125
    assert optimizer.learning_rate == 0.125
    assert optimizer.get_config()["learning_rate"] == 0.125


def test_what_adam_keeps_is_what_its_name_says(backend):
    """After one step from zero: m = (1 - beta_1) g, v = (1 - beta_2) g^2."""
    net = model()
    buffer = ParameterBuffer(net.trainable_weights)
    buffer.collect(dict(zip(buffer.paths, gradients(0), strict=True)))
    g = buffer.gradients.copy()
    adam = optimizers.Adam(beta_1=0.75, beta_2=0.875, amsgrad=True)
    adam.apply(buffer)
    np.testing.assert_allclose(adam.slots["m"], 0.25 * g)
    np.testing.assert_allclose(adam.slots["v"], 0.125 * g**2)
    np.testing.assert_array_equal(adam.slots["v_max"], adam.slots["v"])


def test_slots_are_refused_for_parameters_of_another_size(backend):
    adam = optimizers.Adam()
    adam.apply(ParameterBuffer(model().trainable_weights))
    larger = ParameterBuffer(Sequential([Input((40,)), layers.Dense(40)]).trainable_weights)
    with pytest.raises(ValueError, match="adam: made for other parameters"):
        adam.apply(larger)
    assert adam.iterations == 1


@pytest.mark.parametrize(
    ("make", "slots"),
    [
        (optimizers.SGD(), ()),
        (optimizers.SGD(momentum=0.5), ("velocity",)),
        (optimizers.RMSprop(), ("square",)),
        (optimizers.RMSprop(momentum=0.5, centered=True), ("square", "mean", "velocity")),
        (optimizers.Adam(), ("m", "v")),
        (optimizers.Adam(amsgrad=True), ("m", "v", "v_max")),
    ],
)
def test_no_memory_is_taken_for_what_is_not_used(make, slots):
    assert set(make.slot_names()) == set(slots)


def test_an_optimizer_of_ones_own_must_say_how_it_updates():
    mine = type("Mine", (optimizers.Optimizer,), {})(0.1)
    with pytest.raises(TypeError, match="Mine defines no update"):
        mine.apply(ParameterBuffer(model().trainable_weights))


@pytest.mark.parametrize("name", ALGORITHMS)
def test_config_makes_the_same_optimizer_again(name):
    cls, arguments = arguments_of(name)
    schedule = optimizers.schedules.ExponentialDecay(0.1, 3, 0.5)
    first = getattr(optimizers, cls)(clipnorm=1.0, **arguments)
    config = {"class_name": cls, "config": first.get_config()}
    second = optimizers.get(config)
    assert type(second) is type(first)
    assert second is not first
    assert second.get_config() == first.get_config()
    assert_same_steps(ours(first), ours(second))
    first.learning_rate = schedule
    assert first.get_config()["learning_rate"]["class_name"] == "ExponentialDecay"


@pytest.mark.parametrize(
    ("identifier", "cls"),
    [("adam", "Adam"), ("Adam", "Adam"), ("AdamW", "AdamW"), ("rmsprop", "RMSprop"),
     ("RMSprop", "RMSprop"), ("SGD", "SGD"), (optimizers.Adam, "Adam")],
)  # fmt: skip
def test_get_takes_names_and_classes(identifier, cls):
    assert type(optimizers.get(identifier)) is getattr(optimizers, cls)


def test_get_returns_an_object_as_it_is():
    class Mine(optimizers.SGD):
        pass

    for optimizer in (optimizers.Adam(), Mine()):
        assert optimizers.get(optimizer) is optimizer


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: optimizers.Adam(-0.1), ValueError, r"learning_rate must be .*>= 0\. .*-0.1"),
        (lambda: optimizers.Adam("0.01"), ValueError, "learning_rate must be a fin.*'0.01'"),
        (lambda: optimizers.Adam(clipnorm="1"), ValueError, "clipnorm must be positive.*'1'"),
        (lambda: optimizers.SGD(float("nan")), ValueError, "learning_rate must be .*nan"),
        (lambda: optimizers.SGD(lr=float("inf")), ValueError, "learning_rate must be .*inf"),
        (lambda: optimizers.SGD(momentum=1.5), ValueError, "momentum must be .*1.5"),
        (lambda: optimizers.Adam(beta_1=1.0), ValueError, "beta_1 must be .*1.0"),
        (lambda: optimizers.Adam(beta_2=-0.1), ValueError, "beta_2 must be .*-0.1"),
        (lambda: optimizers.Adam(clipnorm=-1), ValueError, "clipnorm must be positive.*-1"),
        (lambda: optimizers.Adam(clipnorm=0), ValueError, "clipnorm must be positive.*0"),
        (lambda: optimizers.Adam(weight_decay=-1), ValueError, "weight_decay must be.*-1"),
        (lambda: optimizers.RMSprop(rho=5), ValueError, r"rho must be in \[0, 1\).*5"),
        (lambda: optimizers.RMSprop(momentum=-3), ValueError, "momentum must be in.*-3"),
        (lambda: optimizers.RMSprop(epsilon=-1), ValueError, "epsilon must be.*-1"),
        (lambda: optimizers.SGD(clipnorm=1, clipvalue=1), ValueError, "only one of"),
        (lambda: optimizers.Adam(decay=0.1), TypeError, "Adam: unsupported argument 'decay'"),
        (lambda: optimizers.get("adma"), ValueError, "'adma'.*Did you mean 'adam'"),
        (lambda: optimizers.get(3), TypeError, "optimizer must be .*3"),
        (lambda: optimizers.get(keras.optimizers.Adam()), TypeError, "optimizer must be"),
    ],
)
def test_what_makes_no_sense_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
