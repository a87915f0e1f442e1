"""Cellpose-SAM with one gray channel: `python -m examples.recipes.cellpose_sam`.

cellpose is under a BSD license; its models were trained on images under CC-BY-NC. Install it:
`pip install cellpose`. Without `--weights FILE` the network has random weights. Of its 24 blocks
two are kept by default, because all of them take minutes on a CPU.

1. what Cellpose-SAM itself makes of an image with one channel
2. weights for which one channel stands for three equal channels, and the proof
"""

from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import torch
from cellpose.version import version
from cellpose.vit import CPSAM
from rich.console import Console
from torch import nn

from graytorgb.models import adapt_state_dict, verify

from .photos import read_photos, write_photos

STATS = "0..1"  # Cellpose scales each image by its own percentiles, and subtracts no mean
SIZE = 256  # of the tiles that Cellpose-SAM takes
STEM = "encoder.patch_embed.proj"


@click.command()
@click.option("--weights", type=click.Path(path_type=Path, exists=True), help="A file of cpsam.")
@click.option("--blocks", default=2, show_default=True, help="How many blocks are kept, up to 24.")
def main(weights: Path | None, blocks: int) -> None:
    """Show what Cellpose-SAM does with one channel, and fold three equal channels into one."""
    console = Console(soft_wrap=True)
    torch.manual_seed(0)
    network = CPSAM()
    if weights is not None:
        network.load_model(weights, device=torch.device("cpu"))
    network.encoder.blocks = network.encoder.blocks[:blocks]
    network.eval()
    console.print(f"cellpose {version}, {blocks} blocks")
    with TemporaryDirectory() as folder:
        photos = read_photos(write_photos(Path(folder), SIZE))

    gray = torch.from_numpy(photos[:1])[:, None]
    empty = torch.zeros_like(gray)
    with torch.no_grad():
        own = network(gray)[0]
        red = network(torch.cat((gray, empty, empty), 1))[0]
        equal = network(gray.repeat(1, 3, 1, 1))[0]
    assert torch.equal(own, red)
    difference = float((own - equal).abs().max())
    console.print(
        "one channel: the same bits as gray in the first of three channels, zeros in ", end=""
    )
    console.print(f"the others; gray in all three gives outputs that differ by {difference:.2g}")

    folded = deepcopy(network)
    stem = network.get_submodule(STEM)
    folded.encoder.patch_embed.proj = nn.Conv2d(1, stem.out_channels, stem.kernel_size, stem.stride)
    folded.load_state_dict(adapt_state_dict(network.state_dict(), STATS, key=f"{STEM}.weight"))
    proof = verify(network, folded, photos, STATS, batch_size=1, seconds=0)
    console.print(f"three equal channels in one: {proof}")
    assert proof.passed


if __name__ == "__main__":
    main()
