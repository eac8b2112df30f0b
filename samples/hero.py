"""Makes hero.png, the picture of the README, from the other pictures of this folder.

    python samples/hero.py

The samples of each flow were chosen by hand: a cell is (row, column) of the flow's grid.png.
"""

import pathlib

from PIL import Image, ImageDraw, ImageFont

FOLDER = pathlib.Path(__file__).parent
TILE, GAP, LABEL = 256, 12, 30
CELLS = {
    ("NICE", "nice_mnist_gpu/grid.png", 28): """
        0,2 12,9 10,0 6,14 12,4  2,11 2,5 4,11 13,1 3,3  6,5 12,0 2,3 9,1 1,0
        6,6 13,4 6,9 13,5 8,8  13,0 14,2 10,5 11,0 3,13""",
    ("MAF, by class", "maf_mnist_classes/grid.png", 28): """
        0,2 1,2 2,9 3,4 4,0  5,7 6,0 7,9 8,2 9,5  0,9 1,4 2,4 3,8 4,3
        5,8 6,4 7,6 8,9 9,6  0,1 1,9 2,7 6,5 7,4""",
    ("Glow", "glow_mnist/grid.png", 28): """
        2,7 0,1 7,9 9,4 7,1  0,5 8,9 8,8 6,7 5,0  1,0 2,1 5,9 1,3 5,4
        5,5 9,6 6,8 8,7 5,7  7,7 5,8 0,8 9,7 5,6""",
    ("VAE with IAF", "iaf_mnist/grid_iaf.png", 28): """
        4,0 0,9 9,6 9,7 0,7  8,9 1,0 5,3 0,2 7,9  1,1 1,2 1,8 6,8 9,3
        8,5 7,1 2,9 9,0 2,8  3,2 5,7 3,0 0,3 5,8""",
    ("TarFlow, by class", "tarflow_mnist/grid.png", 28): """
        0,0 1,2 2,0 3,0 4,3  5,3 6,1 7,0 8,1 9,1  0,4 1,3 2,8 3,2 4,8
        5,8 6,4 7,7 8,7 9,3  0,3 1,8 2,2 3,4 4,9""",
    ("Glow, 64x64 faces", "glow_celeba_gpu/grid.png", 64): """
        0,3 1,3 2,3 2,6  3,8 1,8 4,8 7,1  3,5 2,4 4,7 1,1  2,5 6,2 3,3 1,7""",
    ("Glow, 32x32 faces", "glow_celeba/grid.png", 32): """
        0,0 0,6 1,2 1,0 2,4  1,3 3,1 4,1 5,7 3,8  6,0 6,2 7,4 7,6 8,1
        2,2 4,7 5,3 7,8 8,3  7,3 0,5 6,5 3,6 2,8""",
}
CROPS = {  # left and upper corner, and side, of a density
    ("NSF, spirals", "toy_2d/spirals.png"): (903, 674, 294),
    ("NSF, pinwheel", "toy_2d/pinwheel.png"): (903, 674, 294),
    ("Implicit flow, checkerboard", "implicit_2d/implicit_2d.png"): (904, 26, 292),
}


def chosen(path, size, cells):
    """The chosen cells of a grid as a square tile."""
    grid = Image.open(FOLDER / path).convert("RGB")
    cells = [tuple(map(int, cell.split(","))) for cell in cells.split()]
    side = int(len(cells) ** 0.5)
    square = Image.new("RGB", (side * size, side * size))
    for i, (row, column) in enumerate(cells):
        corner = (column * size, row * size)
        cell = grid.crop((*corner, corner[0] + size, corner[1] + size))
        square.paste(cell, (i % side * size, i // side * size))
    return square.resize((TILE, TILE), Image.LANCZOS)


def cropped(path, left, top, side):
    picture = Image.open(FOLDER / path).convert("RGB")
    return picture.crop((left, top, left + side, top + side)).resize((TILE, TILE), Image.LANCZOS)


def main():
    tiles = [(key[0], chosen(*key[1:], cells)) for key, cells in CELLS.items()]
    tiles += [(name, cropped(path, *place)) for (name, path), place in CROPS.items()]
    columns, rows = 5, len(tiles) // 5
    width, height = TILE + GAP, TILE + LABEL
    hero = Image.new("RGB", (columns * width - GAP, rows * height), "white")
    draw, font = ImageDraw.Draw(hero), ImageFont.load_default(17)
    for i, (name, tile) in enumerate(tiles):
        x, y = i % columns * width, i // columns * height
        hero.paste(tile, (x, y))
        draw.text((x + TILE // 2, y + TILE + LABEL // 2), name, "black", font, anchor="mm")
    hero.save(FOLDER / "hero.png", optimize=True)


if __name__ == "__main__":
    main()
