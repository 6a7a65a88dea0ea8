import tensorflow as tf
import tinyconv
keras = tinyconv

from tinyconv import layers
import tensorflow_datasets as tfds
import matplotlib.pylab as plt

LOG_DIR = './log'

# tfds.Split.TRAIN.subsplit(weighted=split) is no longer in TFDS
split = (80, 10, 10)
splits = ['train[:80%]', 'train[80%:90%]', 'train[90%:]']

(cat_train, cat_valid, cat_test), info = tfds.load('cats_vs_dogs', split=list(splits), with_info=True, as_supervised=True)

get_label_name = info.features['label'].int2str
for image, label in cat_test.take(2):
  plt.figure()
  plt.imshow(image)
  plt.title(get_label_name(label))
  image_ = image

print(cat_train)
print(cat_valid)
print(cat_test)

IMAGE_SIZE = 160 

def pre_process_image(image, label):
  image = tf.cast(image, tf.float32)
  image = (image/127.5) - 1
  image = tf.image.resize(image, (IMAGE_SIZE, IMAGE_SIZE))
  return image, label

BATCH_SIZE = 32
SHUFFLE_BUFFER_SIZE = 1000

cat_train = cat_train.map(pre_process_image)
cat_valid = cat_valid.map(pre_process_image)
cat_test = cat_test.map(pre_process_image)

train_batches = cat_train.shuffle(SHUFFLE_BUFFER_SIZE).batch(BATCH_SIZE)
validation_batches = cat_valid.batch(BATCH_SIZE)
test_batches = cat_test.batch(BATCH_SIZE)

for image_batch, label_batch in train_batches.take(1):
   pass

image_batch.shape

head = tinyconv.Sequential()
head.add(layers.Conv2D(32, (3, 3), input_shape=(IMAGE_SIZE, IMAGE_SIZE, 3)))
head.add(layers.BatchNormalization())
head.add(layers.Activation('relu'))
head.add(layers.MaxPooling2D(pool_size=(2, 2)))

head.add(layers.Conv2D(32, (3, 3)))
head.add(layers.BatchNormalization())
head.add(layers.Activation('relu'))
head.add(layers.MaxPooling2D(pool_size=(2, 2)))

head.add(layers.Conv2D(64, (3, 3)))
head.add(layers.BatchNormalization())
head.add(layers.Activation('relu'))
head.add(layers.MaxPooling2D(pool_size=(2, 2)))

average_pool = tinyconv.layers.GlobalAveragePooling2D()
prediction = keras.layers.Dense(1)

standard_model = tinyconv.Sequential([
    head, 
    average_pool,
    prediction
])

base_learning_rate = 0.0001
standard_model.compile(optimizer=tinyconv.optimizers.RMSprop(lr=base_learning_rate),
              loss='binary_crossentropy',
              metrics=['accuracy'])

callbacks = [tinyconv.callbacks.TensorBoard(log_dir='./log/standard_model', update_freq='batch')]

num_train, num_val, num_test = (
  info.splits['train'].num_examples*weight/10
  for weight in split
)

initial_epochs = 10
steps_per_epoch = round(num_train)//BATCH_SIZE
validation_steps = 20

loss0,accuracy0 = standard_model.evaluate(validation_batches, steps = validation_steps)

print("initial loss: {:.2f}".format(loss0))
print("initial accuracy: {:.2f}".format(accuracy0))

history = standard_model.fit(train_batches,
                    epochs=initial_epochs,
                    validation_data=validation_batches,
                    callbacks=callbacks)

IMG_SHAPE = (IMAGE_SIZE, IMAGE_SIZE, 3)
vgg = tinyconv.applications.vgg16.VGG16(weights='imagenet', include_top=False, input_shape=IMG_SHAPE)

average_pool = tinyconv.layers.GlobalAveragePooling2D()
prediction = keras.layers.Dense(1)

vgg.trainable = False

layer_vgg = [(layer, layer.name, layer.trainable) for layer in vgg.layers]

print("Trainable layers:", vgg.trainable_weights)

tl_model = tinyconv.Sequential([
  vgg,
  average_pool,
  prediction,
  ])

tl_model.summary()

tl_model.compile(optimizer=tinyconv.optimizers.Adam(),
              loss='binary_crossentropy',
              metrics=['accuracy'])

callbacks = [tinyconv.callbacks.TensorBoard(log_dir='./log/transer_learning_model', update_freq='batch')]

history = tl_model.fit(train_batches,
                    epochs=initial_epochs,
                    validation_data=validation_batches,
                    callbacks=callbacks)

tl_model.save('cats_dogs_tlearn.h5')

tl_model.trainable = True
set_trainable = False
for layer in vgg.layers:
  if layer.name in ['block5_conv1', 'block4_conv1']:
    set_trainable = True
  if set_trainable:
    layer.trainable = True
  else:
    layer.trainable = False

layer_vgg2 = [(layer, layer.name, layer.trainable) for layer in vgg.layers]

tl_model.compile(loss='binary_crossentropy',
              optimizer = tinyconv.optimizers.RMSprop(lr=base_learning_rate/10),
              metrics=['accuracy'])

tl_model.summary()

callbacks = [tinyconv.callbacks.TensorBoard(log_dir='./log/transer_learning_fine_tuning', update_freq='batch')]

fine_tune_epochs = 10
total_epochs =  initial_epochs + fine_tune_epochs

fine_tuning = tl_model.fit(train_batches,
                         epochs=total_epochs,
                         initial_epoch = initial_epochs,
                         validation_data=validation_batches,
                         callbacks=callbacks)
