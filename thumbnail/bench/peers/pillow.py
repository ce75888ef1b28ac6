"""python3 pillow.py FILE SIZE N: makes N thumbnails after one, prints CPU milliseconds of each."""
import io
import json
import resource
import sys

from PIL import Image

Image.MAX_IMAGE_PIXELS = None


def make(file, size):
    image = Image.open(file)
    image.draft("RGB", (2 * size, 2 * size))
    image.thumbnail((size, size), Image.Resampling.LANCZOS)
    if image.mode != "RGB":
        image = image.convert("RGB")
    out = io.BytesIO()
    image.save(out, "JPEG", quality=80)


def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


file, size, n = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
make(file, size)
before = cpu()
for _ in range(n):
    make(file, size)
used = cpu() - before
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM:"))
print(json.dumps({"ms": used * 1000 / n, "kb": peak}))
