"""What is in this photograph? ResNet-50, trained on ImageNet, tells: the book's fourth chapter.

    python examples/05_pretrained_resnet50.py --image elephant.jpg

The weights (98 MB) are downloaded once, into Keras' own folder; `--weights` takes a file.
Photograph and guesses are drawn into pretrained_resnet50.png.
"""

# %%
import argparse
from pathlib import Path

import tinyconv as tc
from tinyconv.applications.resnet50 import ResNet50, decode_predictions, preprocess_input
from tinyconv.explain import style

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--image", required=True, help="a photograph")
parser.add_argument(
    "--weights",
    default="imagenet",
    help="an .h5, .weights.h5 or .keras file in place of ImageNet's weights",
)
parser.add_argument("--top", type=int, default=5, help="how many guesses to show")
options = parser.parse_args()
if options.top < 1:
    parser.error(f"--top is at least 1. Received: {options.top}")
if not Path(options.image).is_file():
    parser.error(f"--image: there is no file {options.image}")

# %% [markdown]
# ## The network looks at the photograph

# %%
try:
    model = ResNet50(weights=options.weights)
    print(f"ResNet-50: {len(model.layers)} layers, {model.count_params():,} parameters")
    # The network has seen squares of 224 x 224: the middle of the photograph, not all of it
    # squeezed.
    photograph = tc.utils.load_img(
        options.image, target_size=(224, 224), interpolation="bilinear", keep_aspect_ratio=True
    )
    x = preprocess_input(tc.utils.img_to_array(photograph)[None])
    predictions = model.predict(x, verbose=0)
    guesses = decode_predictions(predictions, top=options.top)[0]
except (ImportError, OSError, ValueError) as error:  # no such file, no network
    raise SystemExit(str(error)) from error
for _, name, probability in guesses:
    print(f"{probability:8.2%}  {name.replace('_', ' ')}")


# %% [markdown]
# ## A picture of its guesses


# %%
def draw(path):
    """The photograph as the network sees it, and beside it the guesses."""
    figure = style.new_figure(8.4, 3.6)
    picture, bars = figure.subplots(1, 2, width_ratios=[1, 1.1])
    picture.imshow(photograph)
    picture.set_axis_off()
    names = [style.shorten(name.replace("_", " "), 24) for _, name, _ in guesses]
    shares = [float(probability) for *_, probability in guesses]
    colours = [style.RIGHT, *[style.QUIET] * (len(shares) - 1)]
    drawn = bars.barh(range(len(shares)), shares, color=colours, height=0.6)
    bars.bar_label(drawn, [f"{share:.1%}" for share in shares], padding=4, color=style.INK)
    bars.set_yticks(range(len(names)), names)
    bars.set(xticks=[], xlim=(0, 1.15), ylim=(len(names) - 0.4, -0.6))
    bars.tick_params(length=0)
    style.clear_spines(bars, "left")
    figure.savefig(path, dpi=120)


draw("pretrained_resnet50.png")
print("Written to pretrained_resnet50.png")
