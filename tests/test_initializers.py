"""Initial values: bounds, moments, seeds and names of every class."""

import math

import numpy as np
import pytest

from tinyconv import initializers, random
from tinyconv.initializers import Initializer, VarianceScaling, fans

KERNEL = (3, 5, 16, 32)  # fan_in 240, fan_out 480
CUT = 0.87962566103423978  # standard deviation of a normal distribution cut at 2


def scaling(scale: float, mode: str, distribution: str) -> VarianceScaling:
    return VarianceScaling(scale, mode, distribution)


NORMAL, UNIFORM = "truncated_normal", "uniform"
# Initializer, standard deviation for KERNEL, largest absolute value (in those deviations).
SPREAD = [
    (initializers.RandomNormal(), 0.05, math.inf),
    (initializers.RandomNormal(stddev=2.0), 2.0, math.inf),
    (initializers.TruncatedNormal(), 0.05 * CUT, 2 / CUT),
    (initializers.RandomUniform(), 0.05 / math.sqrt(3), math.sqrt(3)),
    (initializers.GlorotUniform(), math.sqrt(2 / 720), math.sqrt(3)),
    (initializers.GlorotNormal(), math.sqrt(2 / 720), 2 / CUT),
    (initializers.HeUniform(), math.sqrt(2 / 240), math.sqrt(3)),
    (initializers.HeNormal(), math.sqrt(2 / 240), 2 / CUT),
    (initializers.LecunUniform(), math.sqrt(1 / 240), math.sqrt(3)),
    (initializers.LecunNormal(), math.sqrt(1 / 240), 2 / CUT),
    (initializers.VarianceScaling(), math.sqrt(1 / 240), 2 / CUT),
    (scaling(3.0, "fan_out", UNIFORM), math.sqrt(3 / 480), math.sqrt(3)),
    (scaling(3.0, "fan_out", NORMAL), math.sqrt(3 / 480), 2 / CUT),
    (scaling(0.5, "fan_avg", "untruncated_normal"), math.sqrt(0.5 / 360), math.inf),
    (scaling(0.5, "fan_avg", "normal"), math.sqrt(0.5 / 360), 2 / CUT),
]


def name_of(value) -> str | None:
    if isinstance(value, Initializer):
        return "-".join([type(value).__name__, *map(str, value.get_config().values())])
    return None


@pytest.fixture(autouse=True)
def seed():
    random.set_seed(0)


CLASSES = [
    cls
    for cls in vars(initializers).values()
    if isinstance(cls, type)
    and issubclass(cls, Initializer)
    and cls is not Initializer
    and not cls.__name__.startswith("_")
]
RANDOM = [cls for cls in CLASSES if "seed" in cls.config_keys]
EVERY = pytest.mark.parametrize("make", CLASSES)
EVERY_RANDOM = pytest.mark.parametrize("make", RANDOM)


def test_every_random_class_has_its_moments_tested():
    assert {type(initializer) for initializer, _, _ in SPREAD} == set(RANDOM)
    assert {cls.__name__ for cls in set(CLASSES) - set(RANDOM)} == {"Zeros", "Ones", "Constant"}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("initializer", "stddev", "largest"), SPREAD, ids=name_of)
def test_moments_and_bounds(initializer: Initializer, stddev: float, largest: float, dtype: str):
    """Of 7680 values; the tolerances are about five standard deviations."""
    values = initializer(KERNEL, dtype)
    assert (values.shape, values.dtype) == (KERNEL, dtype)
    assert abs(values.mean()) < 5 * stddev / math.sqrt(values.size)
    assert values.std() == pytest.approx(stddev, rel=0.04)
    if largest < math.inf:
        peak = np.abs(values).max() / stddev
        assert 0.97 * largest < peak < largest * (1 + 1e-6)
    else:
        assert np.abs(values).max() > 3 * stddev, "not cut"


def test_mean_and_range():
    assert initializers.RandomNormal(mean=3.0)(KERNEL).mean() == pytest.approx(3, abs=0.01)
    assert initializers.TruncatedNormal(mean=3.0)(KERNEL).mean() == pytest.approx(3, abs=0.01)
    values = initializers.RandomUniform(2.0, 5.0)(KERNEL, "float64")
    assert 2 <= values.min() < 2.01
    assert 4.99 < values.max() < 5


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("initializer", "value"),
    [
        (initializers.Zeros(), 0),
        (initializers.Ones(), 1),
        (initializers.Constant(), 0),
        (initializers.Constant(2.5), 2.5),
    ],
    ids=name_of,
)
def test_constants(initializer: Initializer, value: float, dtype: str):
    values = initializer((2, 3), dtype)
    assert values.dtype == dtype
    np.testing.assert_array_equal(values, np.full((2, 3), value))


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((), (1, 1)),
        ((7,), (7, 7)),
        ((4, 6), (4, 6)),
        ((3, 3, 4, 6), (36, 54)),
        ((5, 1, 2, 3), (10, 15)),
        ((2, 3, 4), (6, 8)),
    ],
)
def test_fans(shape: tuple[int, ...], expected: tuple[int, int]):
    assert fans(shape) == expected


@EVERY
@pytest.mark.parametrize("shape", [(), (1,), (5,), (2, 3), (3, 3, 1, 2)])
def test_shapes(make: type[Initializer], shape: tuple[int, ...]):
    values = make()(shape)
    assert np.shape(values) == shape
    assert np.asarray(values).dtype == "float32"
    assert np.isfinite(values).all()


@EVERY_RANDOM
def test_a_seed_of_its_own(make: type[Initializer]):
    """The same values from every call, as in Keras, and nothing drawn from the shared generator."""
    state = random.generator().bit_generator.state
    initializer = make(seed=4)
    first = initializer((4, 5))
    np.testing.assert_array_equal(initializer((4, 5)), first)
    np.testing.assert_array_equal(make(seed=4)((4, 5)), first)
    assert (make(seed=5)((4, 5)) != first).any()
    assert random.generator().bit_generator.state == state


@EVERY_RANDOM
def test_the_shared_seed(make: type[Initializer]):
    random.set_seed(7)
    first, second = make()((4, 5)), make()((4, 5))
    assert (first != second).any()
    random.set_seed(7)
    np.testing.assert_array_equal(make()((4, 5)), first)
    np.testing.assert_array_equal(make()((4, 5)), second)


@EVERY_RANDOM
def test_both_dtypes_are_the_same_numbers(make: type[Initializer]):
    single, double = (make(seed=1)((6, 7), dtype) for dtype in ("float32", "float64"))
    np.testing.assert_array_equal(single, double.astype("float32"))


@pytest.mark.parametrize(
    ("name", "cls"),
    [
        ("zeros", "Zeros"), ("ones", "Ones"), ("constant", "Constant"),
        ("random_normal", "RandomNormal"), ("truncated_normal", "TruncatedNormal"),
        ("random_uniform", "RandomUniform"), ("variance_scaling", "VarianceScaling"),
        ("glorot_uniform", "GlorotUniform"), ("glorot_normal", "GlorotNormal"),
        ("he_uniform", "HeUniform"), ("he_normal", "HeNormal"),
        ("lecun_uniform", "LecunUniform"), ("lecun_normal", "LecunNormal"),
    ],
)  # fmt: skip
def test_names(name: str, cls: str):
    make = getattr(initializers, cls)
    for identifier in (name, cls, make, {"class_name": cls, "config": {}}):
        assert type(initializers.get(identifier)) is make


def test_an_instance_stays_itself():
    initializer = initializers.HeNormal(seed=1)
    assert initializers.get(initializer) is initializer


@EVERY
def test_a_configuration_makes_the_same_initializer(make: type[Initializer]):
    initializer = make(seed=3) if make in RANDOM else make()
    config = {"class_name": make.__name__, "config": initializer.get_config()}
    twin = initializers.get(config)
    assert twin.get_config() == initializer.get_config()
    np.testing.assert_array_equal(twin((3, 4)), initializer((3, 4)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scale": 0}, "scale must be positive. Received: scale=0"),
        ({"scale": -1.0}, "scale must be positive"),
        ({"mode": "fan"}, "mode must be fan_in, fan_out or fan_avg. Received: mode='fan'"),
        ({"distribution": "gamma"}, "Received: distribution='gamma'"),
    ],
)
def test_arguments_that_are_refused(arguments, message: str):
    with pytest.raises(ValueError, match=message):
        VarianceScaling(**arguments)


def test_unknown_names():
    with pytest.raises(ValueError, match=r"unknown name 'glorot_unifrom'. Did you mean 'glorot_un"):
        initializers.get("glorot_unifrom")
    with pytest.raises(TypeError, match="must be a name or an object of this library"):
        initializers.get(3)
