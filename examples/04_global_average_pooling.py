"""Cats and dogs: does a convolutional network need dense layers at its end?

The book's third program on tinyconv. Three networks begin with the same head and end in
different tails. What does each tail cost, how well does it do, how much does it overfit?
"""

# %%
import argparse
import statistics
import time

import matplotlib
from rich.console import Console
from rich.table import Table

import tinyconv as tc
from tinyconv import layers
from tinyconv.data import cats_vs_dogs

matplotlib.use("Agg")
import matplotlib.pyplot as plt

SIZE = 100

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--epochs", type=int, default=7)
parser.add_argument("--images", type=int, default=-1, help="of each split, at most")
options = parser.parse_args()

# %% [markdown]
# ## The photographs

# %%
# Streams: each epoch reads, decodes and resizes the photographs anew, a batch at a time.
train, validation, test = (
    split.take(options.images) for split in cats_vs_dogs.load_data(image_size=(SIZE, SIZE))
)


# %% [markdown]
# ## One head and three tails


# %%
def block(filters, **arguments):
    # Moving averages start at 0 and 1, far from what they are to find. In the 50 steps of an epoch
    # of 3,200 photographs, Keras' momentum of 0.99 leaves them there for epochs, and validation
    # at chance. (The book has 363 steps in an epoch.)
    return [
        layers.Conv2D(filters, (3, 3), **arguments),
        layers.BatchNormalization(momentum=0.9),
        layers.Activation("relu"),
        layers.MaxPooling2D(pool_size=(2, 2)),
    ]


def head():
    return tc.Sequential([*block(32, input_shape=(SIZE, SIZE, 3)), *block(32), *block(64)])


def average_pooling():
    return [
        layers.AveragePooling2D(pool_size=(2, 2)),
        layers.Flatten(),
        layers.Dense(1, activation="sigmoid"),
    ]


def dense(*dropout):
    return [
        layers.Flatten(),
        layers.BatchNormalization(momentum=0.9),
        layers.Dense(100),
        layers.Activation("relu"),
        *dropout,
        layers.BatchNormalization(momentum=0.9),
        layers.Dense(100),
        layers.Activation("relu"),
        layers.Dense(1, activation="sigmoid"),
    ]


# %% [markdown]
# ## Training, and what there is to compare


# %%
class Clock(tc.callbacks.Callback):
    """The seconds of each epoch: their median leaves out the first one, which compiles."""

    def on_train_begin(self, logs=None):
        self.seconds = []

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self.start)


def trained(name, tail):
    """Train the head with a tail; all that there is to compare."""
    # The book trains one head three times over, each time with another tail, so that
    # its second and third network begin with a head that knows cats from dogs. Here each has a
    # head of its own that begins with the same weights and sees the same photographs in
    # the same order, so that only the tails differ.
    tc.utils.set_random_seed(1)
    model = tc.Sequential([head(), tc.Sequential(tail)])
    model.compile(optimizer=tc.optimizers.Adam(), loss="binary_crossentropy", metrics=["accuracy"])
    clock = Clock()
    history = model.fit(
        train.shuffle(1000, seed=1).batch(64),
        epochs=options.epochs,
        validation_data=validation.batch(64),
        callbacks=[clock, tc.callbacks.TensorBoard(log_dir=f"log/{name}")],
    )
    # The accuracy that `fit` shows for training is the mean over an epoch in which the weights
    # still change and dropout is on. Both are measured alike here: afterwards, without it.
    return {
        "name": name,
        "model": model,
        "history": history.history,
        "parameters": model.count_params(),
        "seconds": statistics.median(clock.seconds),
        "train": model.evaluate(train.batch(64), verbose=0)[1],
        "validation": model.evaluate(validation.batch(64), verbose=0)[1],
    }


def show_table(results):
    table = Table("tail", title="One head, three tails")
    for column in ("parameters", "s / epoch", "train", "validation", "overfitting"):
        table.add_column(column, justify="right")
    for result in results:
        table.add_row(
            result["name"],
            f"{result['parameters']:,}",
            f"{result['seconds']:.1f}",
            f"{result['train']:.1%}",
            f"{result['validation']:.1%}",
            f"{100 * (result['train'] - result['validation']):.1f} points",
        )
    Console().print(table)
    # Two standard errors of a share p among n photographs are 2 sqrt(p (1 - p) / n).
    share, count = results[0]["validation"], len(validation)
    error = 200 * (share * (1 - share) / count) ** 0.5
    print(f"{count} photographs tell a validation accuracy to about ±{error:.0f} points.")


def draw(results, path):
    """Above, how each network learnt; below, what it came to."""
    blue, red, grey = "#1f5fc4", "#d62839", "#b9bfc9"
    figure, (above, below) = plt.subplots(
        2, 3, figsize=(11, 6), layout="constrained", height_ratios=[3, 2]
    )
    for panel, result in zip(above, results, strict=True):
        epochs = range(1, options.epochs + 1)
        for key, label, colour in (
            ("accuracy", "training", blue),
            ("val_accuracy", "validation", red),
        ):
            panel.plot(epochs, result["history"][key], "o-", color=colour, label=label)
        panel.set(title=result["name"], xlabel="epoch", ylim=(0.4, 1.02), xticks=epochs)
        panel.yaxis.set_major_formatter("{x:.0%}")
        panel.grid(axis="y", alpha=0.3)
    above[0].set_ylabel("accuracy, epoch by epoch")
    above[0].legend(frameon=False, loc="lower right")

    for panel, key, title, form in (
        (below[0], "parameters", "parameters", "{:,.0f}"),
        (below[1], "seconds", "seconds an epoch", "{:.1f}"),
    ):
        bars = panel.barh(range(3), [result[key] for result in results], color=grey, height=0.5)
        panel.bar_label(bars, fmt=form, padding=4)
        panel.set(title=title, xticks=[])
        panel.margins(x=0.3)
    for row, result in enumerate(results):
        gap = [result["validation"], result["train"]]
        below[2].plot(gap, [row, row], color=grey, linewidth=5, zorder=0)
        below[2].scatter(gap, [row, row], color=[red, blue])
        told = f"{100 * (gap[1] - gap[0]):+.1f} points"
        below[2].annotate(
            told, (sum(gap) / 2, row), (0, 7), textcoords="offset points", ha="center"
        )
    below[2].set(title="accuracy at the end: overfitting", xlim=(0.4, 1.02))
    below[2].xaxis.set_major_formatter("{x:.0%}")
    for panel in below:
        panel.set(ylim=(2.5, -0.6), yticks=range(3), yticklabels=[])
        panel.tick_params(axis="y", length=0)
    below[0].set_yticklabels(result["name"] for result in results)
    for panel in figure.axes:
        panel.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)


# %% [markdown]
# ## Three trainings

# %%
results = [
    trained("average pooling", average_pooling()),
    trained("dense", dense()),
    trained("dense, dropout", dense(layers.Dropout(0.5))),
]
show_table(results)
draw(results, "global_average_pooling.png")

# %% [markdown]
# ## Saved, read back, and asked

# %%
# Save the small one, read it back, and ask it about a photograph that it has not seen.
results[0]["model"].save("gap_model.h5")
model = tc.models.load_model("gap_model.h5")
print(
    f"Accuracy on {len(test)} test photographs: {model.evaluate(test.batch(64), verbose=0)[1]:.1%}"
)

photograph, label = next(iter(cats_vs_dogs.load(cats_vs_dogs.SPLITS[2], image_size=None)))
tc.utils.save_img("photograph.jpg", photograph, scale=False)
image = tc.utils.img_to_array(tc.utils.load_img("photograph.jpg", target_size=(SIZE, SIZE)))

dog = model.predict(image[None] / 255, verbose=0)[0, 0]
print(f"photograph.jpg shows a {cats_vs_dogs.CLASS_NAMES[int(label)]}; a dog with {dog:.1%}.")

# A file holds values from 0 to 255, the network learnt on 0 to 1: this answer means nothing,
# and a warning says so.
wrong = model.predict(image[None], verbose=0)[0, 0]
print(f"The same photograph, not divided by 255: a dog with {wrong:.1%}.")
