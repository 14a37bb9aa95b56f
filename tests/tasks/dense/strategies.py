"""Valid captions and their parts, for hypothesis. Knows no parser."""

from __future__ import annotations

from hypothesis import strategies as st

from tasks.dense.caption import Caption, DenseObject, Geometry
from tasks.dense.geometry import anchor
from tasks.records.special_tokens import REPLACEMENT, is_format

coordinates = st.integers(0, 1000)
points = st.tuples(coordinates, coordinates)
sides = st.lists(coordinates, min_size=2, max_size=2, unique=True).map(sorted)
boxes = st.builds(lambda x, y: Geometry("bbox_2d", ((x[0], y[0]), (x[1], y[1]))), sides, sides)
polygons = st.lists(points, min_size=4, max_size=7).map(lambda found: Geometry("poly", tuple(found)))
lines = st.lists(points, min_size=2, max_size=5).map(lambda found: Geometry("line", tuple(found)))
geometries = boxes | polygons | lines

printable = st.text("设备光模块线缆Bx09:,/-\"'\\{}[] 𠀀é", min_size=1, max_size=10) | st.text(min_size=1, max_size=6)
descs = printable.filter(
    lambda text: (
        text.isprintable()
        and text == text.strip()
        and not {"<", REPLACEMENT} & {*text}
        and not any(map(is_format, text))
    )
)
objects = st.builds(DenseObject, descs, geometries)


def in_order(found: list[DenseObject]) -> Caption:
    """The caption of these objects."""
    return Caption(tuple(sorted(found, key=lambda item: anchor(item.geometry)[::-1])))


captions = st.lists(objects, max_size=12).map(in_order)
