"""Clothes, sorted by a dense network: the first program of the book, on tinyconv."""

# %%
import numpy as np

import tinyconv as tc
from tinyconv import explain

# %% [markdown]
# ## The images
#
# 60,000 photographs of clothes to learn from and 10,000 others for the test, 28 x 28 pixels and
# in ten classes. A pixel is a number from 0 to 255; a network learns better from 0 to 1.

# %%
fashion_mnist = tc.datasets.fashion_mnist
(train_images, train_labels), (test_images, test_labels) = fashion_mnist.load_data()

train_images = train_images / 255.0
test_images = test_images / 255.0

# %% [markdown]
# ## The network
#
# 784 pixels in a row, 128 units that look at all of them, and a probability for each class.

# %%
model = tc.Sequential(
    [
        tc.layers.Flatten(input_shape=(28, 28)),
        tc.layers.Dense(128, activation="relu"),
        tc.layers.Dense(10, activation="softmax"),
    ]
)
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
model.summary()

# %% [markdown]
# ## Training and test

# %%
model.fit(train_images, train_labels, epochs=10)

test_loss, test_accuracy = model.evaluate(test_images, test_labels)
print("Test accuracy:", test_accuracy)

# %% [markdown]
# ## What it thinks of fifteen of them
#
# Right in blue, wrong in red; beside each image the classes that it thought most likely.

# %%
predictions = model.predict(test_images)
first = int(np.argmax(predictions[0]))
print("The first test image is a", fashion_mnist.CLASS_NAMES[first])

figure = explain.predictions(test_images, test_labels, predictions, fashion_mnist.CLASS_NAMES)
figure.savefig("fashion_mnist_dense.png")
