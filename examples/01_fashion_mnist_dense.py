"""Clothes, sorted by a dense network: the first program of the book, on tinyconv."""

import numpy as np

import tinyconv as tc
from tinyconv import explain

fashion_mnist = tc.datasets.fashion_mnist
(train_images, train_labels), (test_images, test_labels) = fashion_mnist.load_data()

train_images = train_images / 255.0
test_images = test_images / 255.0

model = tc.Sequential(
    [
        tc.layers.Flatten(input_shape=(28, 28)),
        tc.layers.Dense(128, activation="relu"),
        tc.layers.Dense(10, activation="softmax"),
    ]
)
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
model.summary()
model.fit(train_images, train_labels, epochs=10)

test_loss, test_accuracy = model.evaluate(test_images, test_labels)
print("Test accuracy:", test_accuracy)

predictions = model.predict(test_images)
first = int(np.argmax(predictions[0]))
print("The first test image is a", fashion_mnist.CLASS_NAMES[first])

figure = explain.predictions(test_images, test_labels, predictions, fashion_mnist.CLASS_NAMES)
figure.savefig("fashion_mnist_dense.png")
