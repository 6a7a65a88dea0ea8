import tinyconv

class myCallback(tinyconv.callbacks.Callback):
  def on_epoch_end(self, epoch, logs={}):
    if(logs.get('accuracy')>0.9):
      print("\nReached 90% accuracy so cancelling training!")
      self.model.stop_training = True

fashion_mnist = tinyconv.datasets.fashion_mnist

(x_train, y_train),(x_test, y_test) = fashion_mnist.load_data()
x_train, x_test = x_train / 255.0, x_test / 255.0

callbacks = myCallback()

model = tinyconv.models.Sequential([
  tinyconv.layers.Flatten(input_shape=(28, 28)),
  tinyconv.layers.Dense(512, activation=tinyconv.nn.relu),
  tinyconv.layers.Dense(10, activation=tinyconv.nn.softmax)
])
model.compile(optimizer='adam',
              loss='sparse_categorical_crossentropy',
              metrics=['accuracy'])

model.fit(x_train, y_train, epochs=10, callbacks=[callbacks])

model.summary()
