from tinyconv.applications.resnet50 import ResNet50
from tinyconv.preprocessing import image
from tinyconv.applications.resnet50 import preprocess_input
import numpy as np

model = ResNet50(weights='imagenet')

model.summary()

img_path = 'elephant.jpeg'

img = image.load_img(img_path, target_size=(224, 224))

img

img_array = image.img_to_array(img)

img_array.shape

img_tensor = np.expand_dims(img_array, axis=0)

import matplotlib.pyplot as plt
plt.imshow(np.uint8(img_tensor[0]))

x = preprocess_input(img_tensor)

preds = model.predict(x)

preds.shape

from tinyconv.applications.resnet50 import decode_predictions as dpred

dpred(preds, top=3)[0]
