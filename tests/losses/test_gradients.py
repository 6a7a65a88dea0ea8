"""The gradient of every loss against the numeric derivative of its value."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.losses.formulas import CROSSENTROPIES, KINDS, Kind, softmax
from tests.losses.test_losses import SEEDS, SHAPES
from tinyconv import losses
from tinyconv.losses import LossResult
from tinyconv.testing import gradcheck_loss

EVERY = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
CROSSENTROPY = pytest.mark.parametrize("kind", CROSSENTROPIES.values(), ids=CROSSENTROPIES)


@EVERY
@settings(max_examples=30)
@given(
    shape=SHAPES,
    seed=SEEDS,
    how=st.sampled_from(["probabilities", "from_logits", "fused"]),
    smoothing=st.sampled_from([0.0, 0.1, 1.0]),
    reduction=st.sampled_from(["sum_over_batch_size", "sum"]),
    weighted=st.booleans(),
)
def test_gradients(kind: Kind, shape, seed: int, how: str, smoothing, reduction, weighted: bool):
    generator = np.random.default_rng(seed)
    arguments = {"from_logits": how == "from_logits"} if kind.activate else {}
    if kind.smoothed:
        arguments["label_smoothing"] = smoothing
    report = gradcheck_loss(
        kind.make(reduction=reduction, **arguments),
        kind.targets(shape, generator),
        kind.predictions(shape, generator, logits=how != "probabilities"),
        generator.random(shape[0]) if weighted else None,
        fused=how == "fused" and kind.activate is not None,
        seed=seed,
    )
    assert report.passed, str(report)


@CROSSENTROPY
def test_the_gradient_of_the_logits_is_p_minus_t_over_n(kind: Kind):
    generator = np.random.default_rng(0)
    shape = (5, 3)
    y_true, logits = kind.targets(shape, generator), kind.predictions(shape, generator, True)
    result = kind.make().compute(y_true, logits, from_logits=True)
    p = np.array([kind.activate(row) for row in logits.tolist()])
    targets = np.eye(3)[y_true] if y_true.ndim == 1 else y_true
    outputs = 1 if kind.activate is softmax else 3
    np.testing.assert_allclose(result.gradient, (p - targets) / (5 * outputs), atol=1e-15)


@EVERY
def test_reduction_none_has_the_gradient_of_the_sum(kind: Kind):
    generator = np.random.default_rng(0)
    arguments = kind.targets((3, 4), generator), kind.predictions((3, 4), generator)
    alone, summed = (kind.make(reduction=how).compute(*arguments) for how in (None, "sum"))
    np.testing.assert_array_equal(alone.gradient, summed.gradient)
    assert alone.value.sum() == pytest.approx(summed.value)


@CROSSENTROPY
def test_a_clipped_probability_is_a_constant(kind: Kind):
    """The slope of a certain mistake is 0, that of a doubtful one is not."""
    y_true = np.array([1, 1]) if kind.make is KINDS["sparse"].make else np.eye(2)[[1, 1]]
    p = np.array([[1 - 1e-9, 1e-9], [0.9, 0.1]])
    gradient = kind.make(reduction="sum").compute(y_true, p).gradient
    np.testing.assert_array_equal(gradient[0], [0, 0])
    assert gradient[1, 1] < -4


class Spoiled(losses.MeanSquaredError):
    """A gradient with a factor too many."""

    factor = 1.0

    def compute(self, *arguments, **options) -> LossResult:
        result = super().compute(*arguments, **options)
        return result._replace(gradient=result.gradient * self.factor)


@pytest.mark.parametrize(
    ("factor", "mistake"), [(-1.0, "sign"), (3.0, "1 / N forgotten"), (0.5, "2"), (1.001, "slight")]
)
def test_a_wrong_gradient_is_found(factor: float, mistake: str):
    loss, generator = Spoiled(), np.random.default_rng(0)
    y_true, y_pred = generator.random((2, 3, 4))
    assert gradcheck_loss(loss, y_true, y_pred).passed
    loss.factor = factor
    report = gradcheck_loss(loss, y_true, y_pred)
    assert [row.name for row in report.rows if not row.passed] == ["y_pred"], mistake
    assert str(report).startswith("Spoiled: gradients DIFFER")


@pytest.mark.parametrize("name", CROSSENTROPIES)
@pytest.mark.parametrize("fused", [False, True])
def test_one_wrong_element_is_found(monkeypatch, name: str, fused: bool):
    kind, generator = KINDS[name], np.random.default_rng(0)
    method = "fused_rows" if fused else "probability_rows"
    right = getattr(kind.make, method)

    def wrong(self, *arguments):
        *others, gradient = right(self, *arguments)
        gradient[1, 2] *= 1.1
        return *others, gradient

    y_true, y_pred = kind.targets((3, 4), generator), kind.predictions((3, 4), generator)
    assert gradcheck_loss(kind.make(), y_true, y_pred, fused=fused).passed
    monkeypatch.setattr(kind.make, method, wrong)
    assert not gradcheck_loss(kind.make(), y_true, y_pred, fused=fused).passed


@CROSSENTROPY
def test_a_small_probability_is_no_kink(kind: Kind):
    """log p bends sharply near 0, but it is smooth."""
    y_true = np.array([1, 1]) if kind.make is KINDS["sparse"].make else np.eye(2)[[1, 1]]
    p = np.array([[0.98, 0.02], [0.9, 0.1]])
    for seed in range(5):
        assert gradcheck_loss(kind.make(), y_true, p, seed=seed).passed


def test_a_kink_is_an_error():
    """Just where a probability begins to be clipped there is no derivative."""
    loss, p = losses.BinaryCrossentropy(), np.array([[1e-7, 0.5]])
    with pytest.raises(ValueError, match="BinaryCrossentropy: a kink lies next to this point"):
        gradcheck_loss(loss, np.array([[1.0, 0.0]]), p)
