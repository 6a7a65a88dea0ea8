import math
import numpy as np

import tensorflow as tf
import tinyconv

import tensorflow_datasets as tfds
tfds.disable_progress_bar()

dataset, metadata = tfds.load('fashion_mnist', as_supervised=True, with_info=True)
train_dataset, test_dataset = dataset['train'], dataset['test']

print(metadata)

class_names = ['T-shirt/top', 'Trouser', 'Pullover', 'Dress', 'Coat',
               'Sandal',      'Shirt',   'Sneaker',  'Bag',   'Ankle boot']

num_train_examples = metadata.splits['train'].num_examples
num_test_examples = metadata.splits['test'].num_examples
print("Number of training examples: {}".format(num_train_examples))
print("Number of test examples:     {}".format(num_test_examples))

def normalize(images, labels):
  images = tf.cast(images, tf.float32)
  images /= 255
  return images, labels

train_dataset =  train_dataset.map(normalize)
test_dataset  =  test_dataset.map(normalize)

model = tinyconv.Sequential([
    tinyconv.layers.Conv2D(32, (3,3), padding='same', activation=tinyconv.nn.relu,
                           input_shape=(28, 28, 1)),
    tinyconv.layers.MaxPooling2D((2, 2), strides=2),
    tinyconv.layers.Conv2D(64, (3,3), padding='same', activation=tinyconv.nn.relu),
    tinyconv.layers.MaxPooling2D((2, 2), strides=2),
    tinyconv.layers.Flatten(),
    tinyconv.layers.Dense(128, activation=tinyconv.nn.relu),
    tinyconv.layers.Dense(10,  activation=tinyconv.nn.softmax)
])

model.compile(optimizer='adam',
              loss='sparse_categorical_crossentropy',
              metrics=['accuracy'])

BATCH_SIZE = 32
train_dataset = train_dataset.repeat().shuffle(num_train_examples).batch(BATCH_SIZE)
test_dataset = test_dataset.batch(BATCH_SIZE)

model.fit(train_dataset, epochs=10, steps_per_epoch=math.ceil(num_train_examples/BATCH_SIZE))

test_loss, test_accuracy = model.evaluate(test_dataset, steps=math.ceil(num_test_examples/32))
print('Accuracy on test dataset:', test_accuracy)

for test_images, test_labels in test_dataset.take(1):
  test_images = test_images.numpy()
  test_labels = test_labels.numpy()
  predictions = model.predict(test_images)

predictions.shape

predictions[0]

np.argmax(predictions[0])

test_labels[0]

model.summary()
