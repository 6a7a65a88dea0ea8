"""No tolerance beyond what rounding explains, and none without its reason."""

from parity import tolerances
from parity.cases import all_cases
from parity.tolerances import Tolerance

NAMED = {name: value for name, value in vars(tolerances).items() if isinstance(value, Tolerance)}
# What is not arithmetic alone: samples, millions of activations or fifty steps over kinks,
# constants in float32.
OTHER = {"SAMPLED", "FULL_SIZE", "TRAJECTORY", "TRAJECTORY_LOSSES", "FLOAT32_CONSTANT"}


def test_reasons():
    assert all(len(tolerance.reason) > 50 for tolerance in NAMED.values())


def test_rounding_explains_them():
    for name, tolerance in NAMED.items():
        assert tolerance.float32 <= 2e-5 or name in OTHER - {"FLOAT32_CONSTANT"}, name
        assert tolerance.float64 <= 1e-10 or name in OTHER, name


def test_most_cases_have_the_tightest():
    tight = [case for case in all_cases() if case.tolerance is tolerances.SINGLE]
    assert len(tight) > 400


def test_a_rounded_constant_has_an_exact_row_beside_it():
    exact = {
        "activations: gelu, exact constant",
        "activations: gelu, approximate, exact constants",
        "activations: leaky_relu, negative_slope 0.25",
        "regularizers: L1, l1",
    }
    assert exact <= {case.id for case in all_cases() if case.tolerance is tolerances.SINGLE}
