"""The photos that have nothing to do with the inspection: a drawing, a paper, tools, a landscape. Knows no cabinet."""

from __future__ import annotations

from collections.abc import Callable

from infra.demo.parts import Pen, font


def drawing(pen: Pen) -> None:
    """An installation drawing: thin lines, dimension marks and a title block on white."""
    rng, (width, height) = pen.rng, pen.image.size
    paper = rng.randint(228, 246)
    pen.rect((0, 0, width, height), (paper, paper, paper - 4))
    ink = (40, 50, rng.choice((60, 140)))
    pen.rect((14, 14, width - 14, height - 14), None, ink, 2)
    for _ in range(rng.randint(5, 9)):
        x, y = rng.randint(30, width - 180), rng.randint(30, height - 140)
        box = (x, y, x + rng.randint(50, 150), y + rng.randint(30, 110))
        pen.rect(box, None, ink, 1)
        pen.line([(box[0], box[3] + 8), (box[2], box[3] + 8)], ink, 1)
        pen.draw.text((box[0] + 6, box[3] + 10), str(rng.randint(100, 2400)), fill=ink, font=font(12))
    pen.rect((width - 190, height - 80, width - 14, height - 14), (paper,) * 3, ink, 2)
    pen.draw.text(
        (width - 180, height - 70), f"DWG {rng.randint(1000, 9999)}-{rng.randint(1, 9)}", fill=ink, font=font(16)
    )


def paper(pen: Pen) -> None:
    """A printed form on a desk."""
    rng, (width, height) = pen.rng, pen.image.size
    pen.rect((0, 0, width, height), (rng.randint(110, 150), rng.randint(78, 100), rng.randint(50, 70)))
    left, top, right, bottom = width // 8, height // 10, width - width // 8, height - height // 10
    pen.rect((left, top, right, bottom), (238, 238, 232), (190, 190, 185), 2)
    pen.draw.text(
        (left + 24, top + 16),
        rng.choice(("INSPECTION FORM", "MATERIAL LIST", "WORK ORDER")),
        fill=(30, 30, 30),
        font=font(24),
    )
    for y in range(top + 60, bottom - 20, rng.randint(22, 30)):
        pen.line([(left + 20, y), (right - 20 - rng.randint(0, 120), y)], (120, 120, 125), 3)


def tools(pen: Pen) -> None:
    """Spanners and a drill box on the floor."""
    rng, (width, height) = pen.rng, pen.image.size
    pen.rect((0, 0, width, height), (rng.randint(140, 165), rng.randint(132, 150), rng.randint(118, 135)))
    for x in range(0, width, 120):
        pen.line([(x, 0), (x, height)], (120, 114, 104), 3)
    for y in range(0, height, 120):
        pen.line([(0, y), (width, y)], (120, 114, 104), 3)
    for _ in range(rng.randint(2, 4)):
        x, y, reach = rng.randint(60, width - 260), rng.randint(60, height - 120), rng.randint(120, 200)
        end = (x + reach, y + rng.randint(-40, 40))
        pen.line([(x, y), end], (88, 90, 96), 16)
        pen.ellipse((end[0] - 24, end[1] - 24, end[0] + 24, end[1] + 24), (88, 90, 96))
        pen.ellipse((end[0] - 10, end[1] - 10, end[0] + 10, end[1] + 10), (140, 132, 118))
    x, y = rng.randint(30, width // 2), rng.randint(height // 2, height - 150)
    pen.rect((x, y, x + 190, y + 110), (180, 44, 40), (90, 20, 20), 4)
    pen.rect((x + 65, y - 18, x + 125, y), None, (40, 40, 40), 6)


def landscape(pen: Pen) -> None:
    """Sky, hills and a tower far away."""
    rng, (width, height) = pen.rng, pen.image.size
    horizon = height * rng.randint(45, 65) // 100
    pen.rect((0, 0, width, horizon), (rng.randint(140, 170), rng.randint(185, 205), rng.randint(215, 240)))
    pen.rect((0, horizon, width, height), (rng.randint(86, 110), rng.randint(128, 150), rng.randint(66, 86)))
    for _ in range(rng.randint(2, 4)):
        x, reach = rng.randint(0, width), rng.randint(120, 260)
        pen.polygon([(x - reach, horizon), (x, horizon - rng.randint(40, 130)), (x + reach, horizon)], (96, 120, 112))
    x, top = rng.randint(width // 4, 3 * width // 4), horizon - rng.randint(140, 220)
    for side in (-22, 22):
        pen.line([(x + side, horizon + 10), (x, top)], (110, 112, 118), 5)
    for y in range(max(top, 0) + 40, horizon, 28):
        pen.line([(x - 12, y), (x + 12, y)], (110, 112, 118), 3)


BACKDROPS: dict[str, Callable[[Pen], None]] = {
    "drawing": drawing,
    "paper": paper,
    "tools": tools,
    "landscape": landscape,
}
