"""Clothes, sorted by a convolutional network: the second program of the book, on tinyconv."""

# %%
import tinyconv as tc
from tinyconv import explain

# %% [markdown]
# ## The images
#
# A convolution works on images with channels: here there is one, the brightness.

# %%
fashion_mnist = tc.datasets.fashion_mnist
(train_images, train_labels), (test_images, test_labels) = fashion_mnist.load_data()

train_images = train_images[..., None] / 255.0
test_images = test_images[..., None] / 255.0

# %% [markdown]
# ## The network
#
# Twice a convolution and a pooling, which halves height and width; then the dense layers.

# %%
model = tc.Sequential(
    [
        tc.layers.Conv2D(
            32, (3, 3), padding="same", activation=tc.nn.relu, input_shape=(28, 28, 1)
        ),
        tc.layers.MaxPooling2D((2, 2), strides=2),
        tc.layers.Conv2D(64, (3, 3), padding="same", activation=tc.nn.relu),
        tc.layers.MaxPooling2D((2, 2), strides=2),
        tc.layers.Flatten(),
        tc.layers.Dense(128, activation=tc.nn.relu),
        tc.layers.Dense(10, activation=tc.nn.softmax),
    ]
)
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
model.summary()

# %% [markdown]
# ## Training and test

# %%
model.fit(train_images, train_labels, batch_size=32, epochs=10)

test_loss, test_accuracy = model.evaluate(test_images, test_labels)
print("Accuracy on test dataset:", test_accuracy)

# %% [markdown]
# ## What it thinks of fifteen of them

# %%
predictions = model.predict(test_images)
figure = explain.predictions(test_images, test_labels, predictions, fashion_mnist.CLASS_NAMES)
figure.savefig("fashion_mnist_cnn.png")
