"""The model card: what was exported, on what it was measured, how good it is, and under which licence.

    card = Card(title, run_id, tags, values, kinds, majority, exported, pipeline, width)
    card.text                                   # Markdown
    card.metrics                                # {"cost/latency_ms_p50": 4.2, …}

It says what the run found, with its intervals, and what the run did not find out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from frostmark.data.preprocess import Pipeline
from frostmark.export.files import EXAMPLE, ONNX, OPSET, PROGRAM, ExportedModel
from frostmark.metrics.kinds import Kind
from frostmark.metrics.lookup import headlines
from frostmark.results.findings import percent
from frostmark.results.markdown import plain, table

UNKNOWN_LICENCE = "not known to Frostmark: ask the publisher of the weights before you share these files"


@dataclass(frozen=True)
class Card:
    """What is known of an exported model.

    Attributes:
        title: of the run: backbone · layer · data set.
        run_id: in the tracking store, if it is in one.
        tags, values, kinds: of the run.
        majority: accuracy of always predicting the most common train class; None where it is not known.
        exported: the files.
        pipeline: what is done to the images.
        width: features of a row.
    """

    title: str
    run_id: str | None
    tags: Mapping[str, str]
    values: Mapping[str, float]
    kinds: Mapping[str, Kind]
    majority: float | None
    exported: ExportedModel
    pipeline: Pipeline
    width: int

    @property
    def metrics(self) -> dict[str, float]:
        """What the export measured, by the keys of ``metrics/cost.py``."""
        of = self.exported
        return {
            "cost/latency_ms_p50": of.latency.p50,
            "cost/latency_ms_p95": of.latency.p95,
            "cost/exported_mb": of.size / 1e6,
        }

    @property
    def text(self) -> str:
        """Markdown."""
        parts = (
            f"# {plain(self.title)}",
            _section("Model", self._what()),
            _section("Input and output", self._in_and_out()),
            _section("Accuracy", [*self._measured_on(), "", self._scores(), "", *self._beside()]),
            _section("Cost", self._costs()),
            _section("Licence of the weights", [self._licence()]),
            _section("Limits", self._limits()),
        )
        return "\n\n".join(parts) + "\n"

    def _what(self) -> Iterator[str]:
        tags = self.tags
        yield f"- Network: {plain(tags.get('backbone', ''))}, weights {plain(tags.get('weights', ''))}"
        if "weights_source" in tags:
            yield f"- Weights from: {plain(tags['weights_source'])}"
        if "imagenet_top1" in tags:
            yield f"- Accuracy of the published network on ImageNet-1k: {plain(tags['imagenet_top1'])}%"
        yield f"- Digest of the weights: {plain(tags.get('weights_digest', ''))}"
        yield f"- Layer: {plain(tags.get('layer', ''))} (node {plain(tags.get('node', ''))}), {self.width:,} features"
        yield f"- Row: {plain(tags.get('row_recipe', ''))}"
        yield f"- Read-out: {self._read_out()}"
        yield f"- Run: {self.run_id or 'not tracked'}, Frostmark {plain(tags.get('version.frostmark', ''))}"

    def _read_out(self) -> str:
        if not self.exported.classes:
            return "none: the files give the features alone"
        names = ", ".join(plain(name) for name in self.exported.classes[:20])
        more = len(self.exported.classes) - 20
        told = names + (f" and {more:,} more" if more > 0 else "")
        count = f"{len(self.exported.classes):,} classes"
        return f"multinomial logistic regression of the standardised features, {count}: {told}"

    def _in_and_out(self) -> Iterator[str]:
        pipeline = self.pipeline
        yield (
            "- Input `image`: uint8 (N, 3, height, width), red, green, blue, 0 to 255, as decoded, of any size. "
            f"{self._geometry()} and the normalisation are inside."
        )
        yield f"- Output `row`: float32 (N, {self.width})"
        if self.exported.classes:
            yield f"- Output `probabilities`: float32 (N, {len(self.exported.classes)}), in the order of the classes"
        yield f"- `{ONNX}`: ONNX, opset {OPSET}, the names of the classes in its metadata"
        yield f"- `{PROGRAM}`: the same network for `torch.export.load`"
        yield f"- `python {EXAMPLE} photo.jpg` needs only onnxruntime, NumPy and Pillow"
        error = f"{self.exported.error:.0e} of their norm (images of noise)"
        yield f"- Rows of `{ONNX}` differ from the network's by {error}"
        if pipeline.rounded:
            yield (
                "- The resized image is rounded to 256 grey levels, as the weights' own transforms do: of 100,000 "
                "pixels one or two may become the next level, and the row of such an image then differs by thousandths"
            )

    def _geometry(self) -> str:
        pipeline = self.pipeline
        sizes = " × ".join(map(str, pipeline.resize_to))
        to = f"to {sizes} pixels" if len(pipeline.resize_to) > 1 else f"of the shorter side to {sizes} pixels"
        crop = "" if pipeline.crop is None else f", the crop to {pipeline.crop} × {pipeline.crop}"
        return f"The resize {to} ({pipeline.interpolation.value}, antialiased){crop}"

    def _measured_on(self) -> Iterator[str]:
        tags = self.tags
        counts = ", ".join(f"{int(tags[f'{s}_images']):,} {s}" for s in ("train", "test") if f"{s}_images" in tags)
        yield f"Measured on {plain(tags.get('dataset', ''))}: {counts} images."
        yield f"Fingerprint of the images: {tags.get('dataset_fingerprint', '')}."
        if "groups" in tags:
            yield f"Groups: {plain(tags['groups'])}."

    def _scores(self) -> str:
        lines = []
        for name, kind in headlines(self.kinds):
            key = f"test/{name}"
            if key in self.values:
                low, high = self.values.get(f"{key}_lo"), self.values.get(f"{key}_hi")
                interval = "" if low is None or high is None else f"{100 * low:.1f}–{100 * high:.1f}"
                lines.append([kind.words, f"{100 * self.values[key]:.1f}", interval])
        return table(["test images", "%", "95% CI"], lines) if lines else "The run measured no accuracy."

    def _beside(self) -> Iterator[str]:
        if self.majority is not None:
            yield f"Always predicting the most common class: {percent(self.majority)}."
        if self.exported.classes and "test/linear/accuracy" not in self.values:
            yield "The run did not measure the linear read-out that was exported: run it with metrics=[linear]."

    def _costs(self) -> Iterator[str]:
        of, values, size = self.exported, self.values, self.pipeline.size
        yield (
            f"- One image of {size} × {size} pixels (batch 1, onnxruntime, {of.latency.machine}): "
            f"{of.latency.p50:.1f} ms (median), {of.latency.p95:.1f} ms (95% of {of.latency.times} times)"
        )
        yield f"- Size of `{ONNX}`: {of.size / 1e6:.1f} MB"
        if "cost/params" in values:
            yield f"- Parameters up to the layer: {values['cost/params']:,.0f}; {values['cost/gmacs']:.2f} GMACs"

    def _licence(self) -> str:
        known = self.tags.get("weights_license")
        return plain(known) if known else f"The licence is {UNKNOWN_LICENCE}."

    def _limits(self) -> Iterator[str]:
        if self.exported.classes:
            yield "- Every image gets one of the classes above, even an image that shows none of them."
            yield "- The probabilities come from a regularised logistic regression; they are not calibrated."
        yield "- The accuracy applies to images like the test images; other cameras, places or times may be harder."
        yield (
            "- The example reads pictures of eight bits per channel, turns them upright and puts transparent pictures "
            "on white."
        )
        if not self.pipeline.exact_decode:
            yield (
                "- The run decoded JPEG files only as far as it needed; the example decodes every pixel. Rows of JPEG "
                "files therefore differ by some hundredths, unless the run had `preprocess.exact_decode=true`."
            )
        precision = self.tags.get("precision", "32-true")
        if precision != "32-true":
            yield f"- The run's rows are in {plain(precision)}, the exported network computes in float32."


def _section(heading: str, lines: object) -> str:
    return f"## {heading}\n\n" + "\n".join(lines)  # type: ignore[arg-type]
