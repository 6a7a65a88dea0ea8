"""What went wrong? The model was trained on another scale."""

import json
import re
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.pipelines import Anew, cut
from tinyconv import Input, Model, Sequential, config, layers
from tinyconv.training.input_record import (
    InputRecord,
    InputScaleWarning,
    foreign_scale,
    record_of,
)

RNG = np.random.default_rng(3)
N, SHAPE = 24, (8, 8, 3)


def photographs(count=N, dark=1.0):
    """Smooth pictures in 0..1, as uneven in brightness as photographs are."""
    coarse = RNG.random((count, 2, 2, 3)) ** 2
    fine = np.kron(coarse, np.ones((1, 4, 4, 1))) + 0.1 * RNG.random((count, *SHAPE))
    return (dark * np.clip(fine, 0, 1)).astype("float32")


PHOTOS, Y = photographs(), np.arange(N) % 2


def network(*parts):
    model = Sequential([Input(SHAPE), *parts, layers.Flatten(), layers.Dense(2, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def told(do, *arguments, **more):
    """The InputScaleWarnings of a call."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        do(*arguments, verbose=0, **more)
    assert all(issubclass(each.category, InputScaleWarning) for each in caught)
    assert all(each.filename == __file__ for each in caught)
    return [str(each.message) for each in caught]


# ---- the record -----------------------------------------------------------------


def test_fit_records_what_it_saw():
    model = network()
    assert model.input_record is None
    x = (PHOTOS * 255).astype("uint8")
    told(model.fit, x, Y)
    (record,) = model.input_record
    assert (record.minimum, record.maximum) == (x.min(), x.max())
    assert record.mean == record.magnitude == pytest.approx(x.mean())
    assert (record.count, record.dtype) == (x.size, "uint8")


@pytest.mark.parametrize("size", [1, 5, 24, 30])
def test_the_record_of_a_stream_is_that_of_its_batches(size):
    model = network()
    x = PHOTOS.astype("float64") - 0.5
    model.fit(Anew(cut((x, Y), size)), epochs=2, verbose=0)
    (record,) = model.input_record
    expected = record_of(x)
    assert (record.count, record.dtype) == (x.size, "float64")
    assert record.minimum == pytest.approx(expected.minimum)
    assert record.maximum == pytest.approx(expected.maximum)
    assert record.mean == pytest.approx(x.mean(), abs=1e-6)
    assert record.magnitude == pytest.approx(np.abs(x).mean(), rel=1e-6)


def test_large_data_are_sampled_all_over():
    x = np.zeros((6000, 200), "float32")
    x[3000:] = 1
    record = record_of(x)
    assert record.count < x.size / 2
    assert (record.minimum, record.maximum) == (0, 1)
    assert record.mean == pytest.approx(0.5, abs=0.01)


def test_one_record_an_input():
    a, b = Input((2,), name="a"), Input((3,), name="b")
    both = layers.Concatenate()([a, b])
    model = Model([a, b], layers.Dense(1)(both))
    model.compile("sgd", "mse")
    x = [np.full((4, 2), 0.5), np.full((4, 3), 2.0)]
    x[1][0] = 3
    model.fit(x, np.zeros(4), verbose=0)
    assert [record.maximum for record in model.input_record] == [0.5, 3]
    assert len(told(model.predict, [x[0], 900 * x[1]])) == 1


def test_the_record_survives_being_written_down():
    record = record_of(PHOTOS)
    again = InputRecord.from_dict(json.loads(json.dumps(record.to_dict())))
    assert again == record


@pytest.mark.parametrize(
    "change",
    [
        {"mean": "nothing"}, {"maximum": float("nan")}, {"minimum": float("-inf")},
        {"count": None}, {"dtype": "no dtype"}, {"magnitude": []},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_record_is_refused(change):
    with pytest.raises(ValueError, match="record of a model's inputs"):
        InputRecord.from_dict({**record_of(PHOTOS).to_dict(), **change})
    values = record_of(PHOTOS).to_dict()
    del values["mean"]
    with pytest.raises(ValueError, match="record of a model's inputs"):
        InputRecord.from_dict(values)


# ---- the warning ----------------------------------------------------------------

SIGNED = PHOTOS * 2 - 1
STANDARD = RNG.standard_normal((N, *SHAPE)).astype("float32")
OUTLIER = STANDARD.copy()
OUTLIER[0, 0, 0, 0] = 500
PIXELS = np.round(PHOTOS * 255)
MEANS_TAKEN_OFF = PIXELS - 117  # as VGG16 is trained


@pytest.mark.parametrize(
    ("trained", "asked", "remedy"),
    [
        (PHOTOS, PIXELS, "divide by 255"),
        (PHOTOS, PIXELS.astype("uint8"), "divide by 255"),
        (PHOTOS, PIXELS[:1], "divide by 255"),
        (SIGNED, PIXELS, "divide by 127.5 and subtract 1"),
        (STANDARD, PIXELS, "prepare them as the training data were"),
        (PHOTOS, STANDARD * 1e4, "prepare them as the training data were"),
        (PIXELS, PHOTOS, "multiply by 255, or leave out the division"),
        (PIXELS.astype("uint8"), PHOTOS[:1], "multiply by 255"),
        (PIXELS, PHOTOS / 4, "multiply by 255"),
        (MEANS_TAKEN_OFF, PHOTOS, "prepare them as .* preprocess_input"),
        (MEANS_TAKEN_OFF, PIXELS, "prepare them as .* preprocess_input"),
        (MEANS_TAKEN_OFF, PIXELS.astype("uint8"), "prepare them as .* preprocess_input"),
        (PHOTOS, PHOTOS / 255, "prepare them as the training data were"),
        # ---- and what is not clear
        (MEANS_TAKEN_OFF, np.full((6, *SHAPE), 138.0), None),  # snow
        (MEANS_TAKEN_OFF, PIXELS[:1, :2], None),
        (PHOTOS, photographs(5), None),
        (PHOTOS, photographs(1), None),
        (PHOTOS, photographs(1, dark=0.05), None),
        (PHOTOS, np.zeros((1, *SHAPE)), None),
        (PHOTOS, np.ones((1, *SHAPE)), None),
        (PHOTOS, RNG.integers(0, 3, (1, *SHAPE)) / 255, None),  # the lens cap is on
        (PIXELS, np.round(photographs(1, dark=0.02) * 255), None),
        (PIXELS, RNG.integers(0, 2, (1, *SHAPE)), None),
        (PIXELS, np.zeros((1, *SHAPE)), None),
        (PHOTOS, SIGNED, None),
        (SIGNED, PHOTOS, None),
        (PHOTOS, STANDARD, None),
        (STANDARD, PHOTOS, None),
        (STANDARD, OUTLIER, None),
        (OUTLIER, STANDARD, None),
        (STANDARD, STANDARD * 3 + 2, None),
        (np.ones((N, *SHAPE)), PIXELS, None),  # trained on a constant: no scale
    ],
)
def test_another_scale_is_told_where_it_is_clear(trained, asked, remedy):
    found = foreign_scale(record_of(trained), asked)
    assert found == remedy or (remedy and re.match(remedy, found))


def test_heavy_tails_are_not_another_scale():
    incomes = RNG.lognormal(10, 1.5, (2000, 3))
    record = record_of(incomes)
    for start in range(0, 2000, 10):
        assert foreign_scale(record, incomes[start : start + 10]) is None
        assert foreign_scale(record, incomes[start : start + 1]) is None


@given(
    low=st.floats(-100, 100), width=st.floats(0.1, 100), seed=st.integers(0, 99),
    part=st.integers(1, 50),
)  # fmt: skip
def test_data_like_those_of_the_training_are_never_told(low, width, seed, part):
    x = low + width * np.random.default_rng(seed).random((50, 20))
    assert foreign_scale(record_of(x), x[:part]) is None


@pytest.mark.parametrize("method", ["predict", "evaluate"])
@pytest.mark.parametrize("stream", [False, True])
def test_the_model_says_it_once_in_plain_words(method, stream):
    model = network()
    data = (PHOTOS, Y)
    model.fit(*(data if not stream else (Anew([data]),)), verbose=0)
    asked = (PIXELS, Y) if method == "evaluate" else (PIXELS,)
    if stream:
        asked = (Anew([asked]),)
    assert told(model.predict, PHOTOS) == []
    (message,) = told(getattr(model, method), *asked)
    record = model.input_record[0]
    assert message == (
        f"{model!r}: the model was trained on values from {record.minimum:g} to "
        f"{record.maximum:g} (mean {record.mean:.3g}), and is asked about values from 0 to 255. "
        "Its answers mean nothing then: divide by 255"
    )
    assert told(getattr(model, method), *asked) == []
    model.fit(PHOTOS, Y, verbose=0)
    assert len(told(model.predict, PIXELS)) == 1


def test_one_batch_is_told_too():
    for method in ("predict_on_batch", "test_on_batch"):
        model = network()
        model.fit(PHOTOS, Y, verbose=0)
        with pytest.warns(InputScaleWarning, match="divide by 255"):
            getattr(model, method)(PIXELS, *([Y] if method == "test_on_batch" else []))


def test_validation_data_of_another_scale():
    (message,) = told(network().fit, PHOTOS, Y, epochs=3, validation_data=(PIXELS, Y))
    assert "divide by 255" in message


@pytest.mark.parametrize("first", [lambda: layers.Rescaling(1 / 255), layers.BatchNormalization])
def test_what_counts_is_what_comes_into_the_model(first):
    model = network(first())
    assert told(model.fit, PIXELS, Y) == []
    assert told(model.predict, PIXELS) == []
    (message,) = told(model.predict, PHOTOS)
    assert "multiply by 255" in message


def test_a_functional_model_that_rescales_is_not_told_about_pixels():
    image = Input(SHAPE)
    scaled = layers.Rescaling(1 / 255)(image)
    model = Model(image, layers.Dense(2, activation="softmax")(layers.Flatten()(scaled)))
    model.compile("sgd", "sparse_categorical_crossentropy")
    assert told(model.fit, PIXELS, Y) == []


def test_unscaled_pixels_for_a_network_that_was_trained_before():
    base = Sequential([Input(SHAPE), layers.Conv2D(2, 3)])
    base.input_record = [record_of(MEANS_TAKEN_OFF)]
    (message,) = told(network(base).fit, PIXELS, Y)
    assert "prepare them as the training data were (for VGG16 and ResNet50: preprocess" in message
    assert "divide" not in message


def test_unscaled_pixels_in_a_stream_are_told_when_training_begins():
    for data in (Anew(cut((PIXELS, Y), 6)), iter(cut((PIXELS, Y), 6))):
        (message,) = told(network().fit, data, epochs=1)
        assert "the images hold values from 0 to 255" in message


def test_it_can_be_switched_off():
    model = network()
    model.fit(PHOTOS, Y, verbose=0)
    config.set_input_scale_warnings(False)
    try:
        assert told(model.predict, PIXELS) == []
        assert told(network().fit, PIXELS, Y) == []
    finally:
        config.set_input_scale_warnings(True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", InputScaleWarning)
        network().fit(PIXELS, Y, verbose=0)


def test_a_model_that_was_never_trained_says_nothing():
    model = network()
    assert told(model.predict, PIXELS) == []
    model.train_on_batch(PHOTOS, Y)
    assert told(model.predict, PIXELS) == []


def test_scanned_digits_are_never_told():
    from tinyconv.data import digits

    (x, _), (x_test, _) = digits.load_data()
    for divisor in (1, 16, 255.0):
        record = record_of(x / divisor)
        for image in x_test:
            assert foreign_scale(record, image[None] / divisor) is None
