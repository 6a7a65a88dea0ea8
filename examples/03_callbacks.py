"""Clothes again, watched over: stopped in time, saved, logged, and safe from a power cut.

Kill it in the middle of the training and start it again: it goes on where it was.
"""

# %%
import tinyconv as tc
from tinyconv import explain
from tinyconv.callbacks import (
    BackupAndRestore,
    CSVLogger,
    ModelCheckpoint,
    ReduceLROnPlateau,
    TensorBoard,
)

# %% [markdown]
# ## A callback of one's own
#
# `fit` calls its methods at the beginning and the end of each batch and each epoch.


# %%
class StopAt90(tc.callbacks.Callback):
    """The book's callback: enough is enough."""

    def on_epoch_end(self, epoch, logs=None):
        if logs["accuracy"] > 0.9:
            print("Reached 90% accuracy so cancelling training!")
            self.model.stop_training = True


# %% [markdown]
# ## Images and network

# %%
(train_images, train_labels), (test_images, test_labels) = tc.datasets.fashion_mnist.load_data()
train_images, test_images = train_images / 255.0, test_images / 255.0

tc.utils.set_random_seed(1)
model = tc.Sequential(
    [
        tc.layers.Flatten(input_shape=(28, 28)),
        tc.layers.Dense(512, activation="relu"),
        tc.layers.Dropout(0.2),
        tc.layers.Dense(10, activation="softmax"),
    ]
)
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])

# %% [markdown]
# ## Training, watched

# %%
history = model.fit(
    train_images,
    train_labels,
    epochs=20,
    validation_split=0.1,
    callbacks=[
        StopAt90(),
        ReduceLROnPlateau(factor=0.5, patience=1, verbose=1),  # when val_loss no longer falls
        ModelCheckpoint("best.keras", save_best_only=True),
        CSVLogger("history.csv"),
        TensorBoard("logs", histogram_freq=1),  # tensorboard --logdir logs
        BackupAndRestore("backup", save_freq=500),
    ],
)
explain.training_curves(history).savefig("training_curves.png")

# %% [markdown]
# ## The best epoch, read back from its file

# %%
best = tc.models.load_model("best.keras")
test_loss, test_accuracy = best.evaluate(test_images, test_labels)
print("Test accuracy of the best epoch:", test_accuracy)
