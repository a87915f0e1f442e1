"""From 16-bit PNG files to Keras's fit: `python -m examples.professions.folders_in_keras [FOLDER]`.

Each folder in FOLDER is a class. Without FOLDER, parts of a photo of a cell are written as a camera
of 12 bits sees them. TensorFlow and torch can't be in one process: nothing here imports torch.
"""

from pathlib import Path

import graytorgb as g2r

from .sample_files import write_microscopy
from .script import Look, make_command, read, see_by_loader, see_usually

# isort: split
# [recipe]
import keras

from graytorgb.datasets import audit, gray_dataset_from_directory
from graytorgb.models import adapt


def train(folder: str, size: int = 224, weights: str | None = "imagenet") -> keras.Model:
    """Fine-tune a network of keras.applications on a folder of 16-bit files."""
    keras.utils.set_random_seed(0)
    split = {"validation_split": 0.25, "subset": "both", "seed": 0}
    images, validation = gray_dataset_from_directory(
        folder, image_size=size, batch_size=12, value_range=audit(folder), **split
    )
    core = keras.applications.MobileNet((size, size, 3), include_top=False, weights=weights)
    network = keras.Sequential([adapt(core, "-1..1", value_range=(0, 255))])
    network.add(keras.layers.GlobalAveragePooling2D())
    network.add(keras.layers.Dense(len(images.class_names), activation="softmax"))
    network.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
    history = network.fit(images, validation_data=validation, epochs=4, shuffle=False, verbose=0)
    for epoch, loss in enumerate(history.history["loss"], 1):
        print(f"epoch {epoch}: loss {loss:.2f}")
    return network


# [end of the recipe]


def write_files(folder: Path) -> None:
    """Write the sample files as PNG."""
    write_microscopy(folder, ".png")


main = make_command(
    train,
    write_files,
    usual=[
        see_by_loader("tensorflow", "keras.utils.image_dataset_from_directory(folder)"),
        see_usually("keras.utils.load_img(path)"),
    ],
    kept=Look("graytorgb, 0 to 4095", lambda path: g2r.to_uint8(read(path), (0, 4095))),
)

if __name__ == "__main__":
    main()
