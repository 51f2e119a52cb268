"""The example that goes with an exported model: a photo in, its class out, by onnxruntime, NumPy and Pillow alone.

Path("example.py").write_text(example(classifies=True))
"""

from __future__ import annotations

_PHOTO = '''"""{about}: python example.py photo.jpg (needs: pip install onnxruntime numpy pillow)."""
{imports}
from pathlib import Path
import numpy as np
import onnxruntime
from PIL import Image, ImageOps

session = onnxruntime.InferenceSession(Path(__file__).with_name("model.onnx"))
photo = ImageOps.exif_transpose(Image.open(sys.argv[1])).convert("RGBA")
photo = Image.alpha_composite(Image.new("RGBA", photo.size, "white"), photo).convert("RGB")
image = np.asarray(photo).transpose(2, 0, 1)[None]  # (1, 3, height, width), uint8, of any size
{rest}
'''

_CLASS = """row, probabilities = session.run(None, {"image": image})
classes = json.loads(session.get_modelmeta().custom_metadata_map["classes"])
print(f"{classes[probabilities[0].argmax()]} {probabilities[0].max():.1%}")"""

_ROW = """(row,) = session.run(None, {"image": image})
print(*row[0])"""


def example(*, classifies: bool) -> str:
    """The text of the example.

    Args:
        classifies: whether the model has a read-out; without one the example prints the row.
    """
    if classifies:
        return _PHOTO.format(about="The class of a photo", imports="import json\nimport sys", rest=_CLASS)
    return _PHOTO.format(about="The features of a photo", imports="import sys", rest=_ROW)
