"""The README's picture of the demo."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

PICTURE = Path(__file__).parents[3] / "infra" / "demo" / "page.png"


def test_the_picture_has_its_colours_and_stays_small() -> None:
    assert PICTURE.stat().st_size < 300_000
    with Image.open(PICTURE) as picture:
        # A palette of 256 colours goes to the many greys: orange fibres and green modules were lost.
        assert picture.mode == "RGB"
        hue, saturation, value = picture.convert("HSV").split()
        strong = zip(hue.tobytes(), saturation.tobytes(), value.tobytes(), strict=True)
        hues = [hue for hue, saturation, value in strong if saturation > 150 and value > 120]
    for low, high in ((15, 35), (100, 120)):  # orange to yellow, green
        assert sum(low <= hue <= high for hue in hues) > 50
