"""Cats and dogs with VGG16: from scratch, with its pre-trained base frozen, and fine-tuned.

    python examples/07_transfer_learning.py

The book's fifth chapter. It needs TensorFlow Datasets and more (pip install
"tinyconv[tf,data,files,plots]"), and the photographs (800 MB), which this downloads once:

    python -c "from tinyconv.data import cats_vs_dogs as c; c.load_data(download=True)"

They are looked for in ~/tensorflow_datasets, or in the folder that the environment variable
TFDS_DATA_DIR names. The weights (56 MB) are downloaded once, into Keras' own folder. `--weights`
takes a file; where an `.h5` file holds only the first blocks, the network is cut off behind them,
and screen and picture say so. The picture is transfer_learning.png. On all photographs, from
scratch, an epoch takes many minutes: try it with `--images 200 --epochs 3 --fine-tune-epochs 1`.
"""

# %%
import argparse
import time
from pathlib import Path

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

import tinyconv as tc
from tinyconv import layers
from tinyconv.applications.vgg16 import VGG16, preprocess_input
from tinyconv.data import cats_vs_dogs
from tinyconv.explain import style

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
add = parser.add_argument
add(
    "--weights",
    default="imagenet",
    help="a file of VGG16 without its top: .h5 as Keras Applications has it (or the first blocks "
    "of that), .weights.h5 or .keras",
)
add("--epochs", type=int, default=10, help="with the base frozen")
add("--fine-tune-epochs", type=int, default=5, help="after them, with its last blocks free")
add("--scratch-epochs", type=int, help="as many as both together unless given; 0 leaves it out")
add("--images", type=int, default=-1, help="of each split, at most; -1 for all")
add("--size", type=int, default=160, help="height and width of the photographs")
add("--no-cache", action="store_true", help="compute the frozen features anew every epoch")
options = parser.parse_args()
if min(options.epochs, options.fine_tune_epochs) < 1 or options.size < 32:
    parser.error("--epochs and --fine-tune-epochs are at least 1, --size is at least 32")
if (options.images < 1 and options.images != -1) or (options.scratch_epochs or 0) < 0:
    parser.error("--images is at least 1 (or -1, all) and --scratch-epochs at least 0")

SHAPE = (options.size, options.size, 3)
EPOCHS, MORE = options.epochs, options.fine_tune_epochs
SCRATCH = EPOCHS + MORE if options.scratch_epochs is None else options.scratch_epochs
CACHE = not options.no_cache


# %% [markdown]
# ## Network and photographs


# %%
def pretrained():
    """VGG16 without its dense layers, and its last block for which there are weights."""
    if options.weights == "imagenet" or options.weights.endswith((".weights.h5", ".keras")):
        return VGG16(weights=options.weights, include_top=False, input_shape=SHAPE), 5
    model = VGG16(weights=None, include_top=False, input_shape=SHAPE)
    random = {layer.name: layer.get_weights() for layer in model.layers}
    model.load_weights(options.weights, by_name=True)
    left = [
        layer.name
        for layer in model.layers
        if layer.weights and np.array_equal(layer.get_weights()[0], random[layer.name][0])
    ]
    last = int(left[0][5]) - 1 if left else 5  # block4_conv1: up to block 3 all were there
    if not last:
        raise ValueError(f"{options.weights} holds not even the first block of VGG16")
    return cut(model, last), last


def cut(model, last):
    """The network up to the end of a block."""
    if last == 5:
        return model
    return tc.Model(model.input, model.get_layer(f"block{last}_pool").output, name="vgg16")


def photographs(split):
    """A stream that holds its photographs as bytes, a quarter of what floats take.

    They are read and resized in the first pass only.
    """
    import tensorflow as tf

    images = split.take(options.images)
    kept = images.map(lambda image, label: (tf.cast(tf.round(255 * image), "uint8"), label)).cache()
    return kept, sum(1 for _ in kept)


def prepared(stream):
    """Batches as VGG16 knows them from ImageNet. (The book scales the pixels to -1 .. 1.)"""
    return stream.batch(32).map(lambda images, labels: (preprocess_input(images), labels))


def on_top_of(base):
    """A network that tells dogs from cats by the features of a base."""
    tail = [layers.GlobalAveragePooling2D()]
    if LAST < 5:
        # Features from the middle of VGG16 are in the hundreds, and much alike on all photographs.
        tail.append(layers.BatchNormalization(center=False, scale=False, momentum=0.9))
    # The book leaves the sigmoid out; its loss then takes any number for a probability.
    return tc.Sequential([base, *tail, layers.Dense(1, activation="sigmoid")])


# %% [markdown]
# ## Training, in three ways


# %%
class Clock(tc.callbacks.Callback):
    """The seconds of each epoch, its validation included."""

    def on_train_begin(self, logs=None):
        self.seconds = []

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self.start)


def trained(name, model, optimizer, last, first=0, cache=False):
    """Train from epoch `first` to `last`; all that there is to tell about it."""
    print(f"\n{name}")
    model.compile(optimizer=optimizer, loss="binary_crossentropy", metrics=["accuracy"])
    clock = Clock()
    history = model.fit(
        prepared(train.shuffle(1000, seed=1)),
        epochs=last,
        initial_epoch=first,
        validation_data=prepared(validation),
        callbacks=[clock],
        cache_frozen_features=cache,
    )
    _, accuracy = model.evaluate(prepared(test), verbose=0)
    return {
        "name": name,
        "model": model,
        "parameters": model.count_params(),
        "trained": sum(int(np.prod(weight.shape)) for weight in model.trainable_weights),
        "first": first,
        "history": history.history,
        "seconds": clock.seconds,
        "test": accuracy,
    }


def from_scratch():
    """The same network with random weights, all of them trained."""
    tc.utils.set_random_seed(1)
    model = on_top_of(cut(VGG16(weights=None, include_top=False, input_shape=SHAPE), LAST))
    return trained("from scratch", model, tc.optimizers.Adam(1e-4), SCRATCH)


def frozen(name, epochs, cache):
    """The base as it is: only what stands on it is trained."""
    tc.utils.set_random_seed(1)
    BASE.trainable = False
    return trained(name, on_top_of(BASE), tc.optimizers.Adam(), epochs, cache=cache)


def fine_tuned(model):
    """Go on with the last blocks of the base set free, in small steps."""
    free = ["block4", "block5"] if LAST == 5 else [f"block{LAST}"]
    BASE.trainable = True
    for layer in BASE.layers:
        layer.trainable = layer.name.startswith(tuple(free))
    print(f"\nset free: {' and '.join(free)}", end="")
    cache = CACHE and LAST > 1  # with one block alone nothing is left frozen
    return trained("fine-tuned", model, tc.optimizers.RMSprop(1e-5), EPOCHS + MORE, EPOCHS, cache)


# %% [markdown]
# ## A table and a picture


# %%
def clock_time(seconds):
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.{0 if seconds >= 600 else 1}f} min"


def show_table(results):
    title = f"{TITLE}: {results[0]['parameters']:,} parameters"
    table = Table(title=title, box=box.SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True)
    for column in ("trained", "train", "valid.", "test", "epoch 1", "others", "in all"):
        table.add_column(column, justify="right", no_wrap=True)
    for result in results:
        seconds, history = result["seconds"], result["history"]
        table.add_row(
            result["name"],
            f"{result['trained']:,}",
            *(f"{history[key][-1]:.1%}" for key in ("accuracy", "val_accuracy")),
            f"{result['test']:.1%}",
            clock_time(seconds[0]),
            clock_time(np.median(seconds[1:])) if seconds[1:] else "",
            clock_time(sum(seconds)),
        )
    Console().print(table)
    print("Fine-tuning goes on where the frozen base ended; its time comes on top of that.")
    if plain:
        losses = [result["history"]["loss"][0] for result in (plain, base)]
        print("Loss of the first epoch: {:.4f} with nothing kept, {:.4f} cached.".format(*losses))


def draw(scratch, base, tuned, path):
    """The accuracy over the epochs, and over the time that they took."""
    figure = style.new_figure(11, 5.4)
    figure.suptitle(TITLE, color=style.INK, fontsize=13, fontweight="bold")
    panels = figure.subplots(1, 2, sharey=True)
    runs = [(tuned, base, "#e08a00"), (base, None, style.RIGHT), (scratch, None, style.FAINT)]
    runs = [run for run in runs if run[0]]
    slow = sum(tuned["seconds"]) > 60
    unit, scale = ("minutes", 60) if slow else ("seconds", 1)
    for run, start, colour in runs:
        epochs = run["first"] + np.arange(1, len(run["seconds"]) + 1)
        times = np.cumsum(run["seconds"]) / scale
        accuracies = {key: run["history"][key] for key in ("accuracy", "val_accuracy")}
        if start:  # its line begins where the other one ends
            before = sum(start["seconds"]) / scale
            epochs, times = [run["first"], *epochs], [before, *(before + times)]
            accuracies = {
                key: [start["history"][key][-1], *values] for key, values in accuracies.items()
            }
        label = f"{run['name']} ({run['test']:.1%} of the test photographs)"
        for panel, x in zip(panels, (epochs, times), strict=True):
            panel.plot(x, accuracies["accuracy"], ":", color=colour, linewidth=1.4)
            panel.plot(x, accuracies["val_accuracy"], "o-", color=colour, markersize=5, label=label)
    for panel, axis in zip(panels, ("epoch", f"{unit}, twice as many at each mark"), strict=True):
        panel.set_xlabel(axis, color=style.FAINT)
        panel.axhline(0.5, color=style.QUIET, linewidth=1)
        panel.grid(axis="y", color=style.QUIET, alpha=0.4, linewidth=0.7)
        panel.yaxis.set_major_formatter("{x:.0%}")
        panel.tick_params(colors=style.FAINT, length=3)
        style.clear_spines(panel, "left", "bottom")
    panels[0].xaxis.get_major_locator().set_params(integer=True)
    panels[1].set_xscale("log", base=2)
    panels[1].xaxis.set_major_formatter("{x:g}")
    titles = ("accuracy: validation (line), training (dotted)", "the same over the time it took")
    for panel, title in zip(panels, titles, strict=True):
        panel.set_title(title, loc="left", color=style.INK, fontsize=11)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        handles[::-1], labels[::-1], loc="outside lower center", ncols=3, frameon=False,
        labelcolor=style.INK, fontsize=9,
    )  # fmt: skip
    figure.savefig(path, dpi=120)


# %% [markdown]
# ## Off we go

# %%
try:
    BASE, LAST = pretrained()
    (train, count), (validation, _), (test, _) = map(
        photographs, cats_vs_dogs.load_data(image_size=SHAPE[:2])
    )
except (ImportError, OSError, ValueError) as error:  # no such file, no network, no data set
    raise SystemExit(str(error)) from error

source = "ImageNet" if options.weights == "imagenet" else Path(options.weights).name
TITLE = f"VGG16, weights: {source}"
if LAST < 5:
    TITLE = f"VGG16 cut after block{LAST}_pool (blocks 1 to {LAST} of 5, weights: {source})"
print(f"{TITLE}; {count:,} photographs of {SHAPE[0]} x {SHAPE[1]} to train on")

BASE.predict(np.zeros((32, *SHAPE), "float32"), verbose=0)  # compiles, before times are taken
# Once round without keeping anything: what an epoch costs then.
plain = frozen("frozen, uncached", 1, cache=False) if CACHE else None
base = frozen("frozen", EPOCHS, CACHE)
tuned = fine_tuned(base["model"])
scratch = from_scratch() if SCRATCH else None
results = [result for result in (scratch, plain, base, tuned) if result]
show_table(results)
draw(scratch, base, tuned, "transfer_learning.png")
print("Written to transfer_learning.png")
