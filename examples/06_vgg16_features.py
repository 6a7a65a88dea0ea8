"""What VGG16 sees in a photograph: its feature maps, block by block.

    python examples/06_vgg16_features.py --image elephant.jpg

The weights (56 MB) are downloaded once, into Keras' own folder. `--weights` takes a file; where
an `.h5` file holds only the first blocks, the network is cut off behind them, and the picture
says so. It is vgg16_features.png.
"""

# %%
import argparse
from pathlib import Path

import numpy as np

import tinyconv as tc
from tinyconv.applications.vgg16 import VGG16, preprocess_input

SIDE = 320  # pixels of the longer side; without its dense layers, the network takes any size

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--image", required=True, help="a photograph")
parser.add_argument(
    "--weights",
    default="imagenet",
    help="a file of VGG16 without its top: .h5 as Keras Applications has it (or the first blocks "
    "of that), .weights.h5 or .keras",
)
options = parser.parse_args()
if not Path(options.image).is_file():
    parser.error(f"--image: there is no file {options.image}")


# %% [markdown]
# ## The network, as far as there are weights


# %%
def network():
    """VGG16 without its dense layers, and the numbers of the blocks that have trained weights."""
    if options.weights == "imagenet" or options.weights.endswith((".weights.h5", ".keras")):
        return VGG16(weights=options.weights, include_top=False), [1, 2, 3, 4, 5]
    model = VGG16(weights=None, include_top=False)
    random = {layer.name: layer.get_weights() for layer in model.layers}
    model.load_weights(options.weights, by_name=True)
    left = [
        layer.name
        for layer in model.layers
        if layer.weights and np.array_equal(layer.get_weights()[0], random[layer.name][0])
    ]
    # block4_conv1: up to block 3 all weights were in the file.
    return model, list(range(1, int(left[0][5]) if left else 6))


try:
    whole, blocks = network()
    photograph = tc.utils.load_img(options.image)
except (ImportError, OSError, ValueError) as error:  # no such file, no network
    raise SystemExit(str(error)) from error
if not blocks:
    raise SystemExit(f"{options.weights} holds not even the first block of VGG16")
last = [f"block{block}_conv{2 if block < 3 else 3}" for block in blocks]
# A model of as many outputs as there are blocks: all of them in one pass.
model = tc.Model(whole.input, [whole.get_layer(name).output for name in last])

# %% [markdown]
# ## All blocks in one pass

# %%
photograph.thumbnail((SIDE, SIDE))
x = preprocess_input(tc.utils.img_to_array(photograph)[None])
features = model.predict(x, verbose=0)
features = [maps[0] for maps in (features if isinstance(features, list) else [features])]
for name, maps in zip(last, features, strict=True):
    silent = (maps.max(axis=(0, 1)) == 0).sum()
    print(f"{name}: {maps.shape[2]} maps of {maps.shape[0]} x {maps.shape[1]}, {silent} all zero")

# %% [markdown]
# ## The maps

# %%
title = "VGG16"
if blocks[-1] < 5:
    title += f" to block{blocks[-1]}_pool, the rest cut off"
    print(
        f"{title}: {model.count_params():,} of {whole.count_params():,} parameters, for "
        f"{options.weights} holds no more"
    )

figure = tc.explain.feature_maps(model, x, last, image=photograph, title=title)
figure.savefig("vgg16_features.png", dpi=120)
print("Written to vgg16_features.png")
