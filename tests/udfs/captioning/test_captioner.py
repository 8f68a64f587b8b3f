"""Captions of small models with random weights, beside bare transformers and slow references."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image

from tests.captioners import MAKERS, photographs
from tests.udfs.captioning.test_sampling import reference as drawn_token
from udfs.captioning.caption_model import CaptionModel, architecture_of, caption_model_files
from udfs.captioning.captioner import Captioner, captioner_of_task
from udfs.captioning.decoding import Decoding, caption_seed
from udfs.captioning.image_captions import COLUMNS, Captioning, caption_images
from udfs.models.pixels import decode_images, normalised
from udfs.models.spec import ModelError

LENGTHS: dict[str, Any] = {"min_length": 3, "max_length": 10}
NUCLEUS = Decoding(captions=2, **LENGTHS)
BEAM = Decoding("beam", captions=2, num_beams=3, **LENGTHS)
PHOTOGRAPHS = photographs(7)
UIDS = [f"u{k}" for k in range(7)]


def load(name: str, folder: Path, **how: Any) -> Captioner:
    prefix = "open_clip:" if name == "coca" else ""
    return captioner_of_task(CaptionModel(f"{prefix}{folder}", device="cpu", **how))


def pixels_of(captioner: Captioner, items: list[bytes] = PHOTOGRAPHS) -> Any:
    pixels, faults = decode_images(items, captioner.preprocessing, is_pinned=False)
    assert faults == {}
    return pixels


@pytest.fixture(scope="module", params=[*MAKERS])
def made(request: pytest.FixtureRequest, tmp_path_factory: Any) -> tuple[str, Path]:
    """The architecture's name, and a folder with a small model of it."""
    folder = tmp_path_factory.mktemp(request.param)
    return request.param, MAKERS[request.param](folder)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads cost small models more than they save."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


Logits = Callable[[list[int]], np.ndarray]


def next_logits(name: str, captioner: Captioner, pixels: Any) -> Logits:
    """Tokens so far -> logits of the next, of one image, each time from the beginning."""
    image = normalised(pixels, captioner.preprocessing)
    writer: Any = captioner.writer

    def of(written: list[int]) -> np.ndarray:
        if name == "coca":
            text = torch.tensor([[49406, *written]])
            logits = writer._coca(image, text, output_labels=False)["logits"]
        elif name == "blip":
            model = writer._model
            start = model.config.text_config.bos_token_id
            logits = model.text_decoder(
                input_ids=torch.tensor([[start, *written]]),
                encoder_hidden_states=model.vision_model(pixel_values=image)[0],
                is_decoder=True,
            ).logits
        else:
            model = writer._model
            seen = model.vision_model(image).last_hidden_state
            queries = model.qformer(query_embeds=model.query_tokens, encoder_hidden_states=seen)
            words = torch.tensor([[model.config.text_config.bos_token_id, *written]])
            embeds = (
                model.language_projection(queries.last_hidden_state),
                model.get_input_embeddings()(words),
            )
            logits = model.language_model(inputs_embeds=torch.cat(embeds, 1)).logits
        return logits[0, -1].double().numpy()

    return of


def sampled(logits: Logits, ends: frozenset[int], how: Decoding, seed: int) -> list[int]:
    """Nucleus sampling of one caption, token by token."""
    draws, written = np.random.default_rng(seed), list[int]()
    while len(written) < how.max_length:
        scores = logits(written) / how.temperature
        if len(written) < how.min_length:
            scores[sorted(ends)] = -np.inf
        weights = np.exp(scores - scores.max())
        uniform = float(np.float32(draws.random()))
        token = drawn_token(weights / weights.sum(), uniform, how.top_p)
        if token in ends:
            break
        written.append(token)
    return written


def searched(logits: Logits, ends: frozenset[int], how: Decoding) -> list[list[int]]:
    """Beam search of one image: hypotheses by their log probability over their length."""
    beams, done = [(0.0, list[int]())], list[tuple[float, list[int]]]()
    for step in range(how.max_length):
        followed = []
        for total, written in beams:
            scores = torch.log_softmax(torch.from_numpy(logits(written)), -1).numpy()
            if step < how.min_length:
                scores[sorted(ends)] = -np.inf
            best = np.argsort(-scores, kind="stable")[: 2 * how.num_beams]
            followed += [(total + float(scores[t]), [*written, int(t)]) for t in best]
        followed.sort(key=lambda beam: -beam[0])
        followed = followed[: 2 * how.num_beams]
        for total, written in followed[: how.num_beams]:
            if written[-1] in ends:
                done.append((total / len(written), written[:-1]))
        beams = [beam for beam in followed if beam[1][-1] not in ends][: how.num_beams]
        done = sorted(done, key=lambda one: -one[0])[: how.num_beams]
        if len(done) == how.num_beams and beams[0][0] / (step + 1) <= done[-1][0]:
            break
    else:
        done += [(total / len(written), written) for total, written in beams]
    done.sort(key=lambda one: -one[0])
    return [written for _, written in done[: how.captions]]


def test_captions_are_those_of_the_references_in_any_batches(made: tuple[str, Path]) -> None:
    name, folder = made
    captioner = load(name, folder)
    pixels, ends, text = pixels_of(captioner), captioner.writer.ends, captioner.writer.text
    for how in (NUCLEUS, BEAM):
        together = captioner.captions(pixels, UIDS, how)
        for size in (1, 3):
            cuts = range(0, 7, size)
            parts = [
                captioner.captions(pixels[k : k + size], UIDS[k : k + size], how) for k in cuts
            ]
            assert [captions for part in parts for captions in part] == together
        assert len({tuple(captions) for captions in together}) > 1  # images differ
        for k in range(3):
            logits = next_logits(name, captioner, pixels[k : k + 1])
            with torch.inference_mode():
                if how is BEAM:
                    expected = searched(logits, ends, how)
                else:
                    seeds = [caption_seed(0, UIDS[k], n) for n in range(2)]
                    expected = [sampled(logits, ends, how, seed) for seed in seeds]
            assert [text(tokens).strip() for tokens in expected] == together[k]
    other = captioner.captions(pixels, UIDS, replace(NUCLEUS, seed=1))
    assert other != captioner.captions(pixels, UIDS, NUCLEUS)
    assert captioner.captions(pixels[:0], [], NUCLEUS) == []


@pytest.mark.parametrize("name", ["blip", "blip2"])
def test_beam_search_is_that_of_a_bare_generate(name: str, tmp_path: Path) -> None:
    import transformers

    folder = MAKERS[name](tmp_path)
    loaded = {
        "blip": transformers.BlipForConditionalGeneration,
        "blip2": transformers.Blip2ForConditionalGeneration,
    }[name].from_pretrained(folder)
    processor = transformers.BlipImageProcessorPil.from_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    images = [Image.open(photograph) for photograph in map(_file, PHOTOGRAPHS)]
    inputs = processor(images=images, return_tensors="pt")
    written = loaded.eval().generate(
        pixel_values=inputs["pixel_values"],
        num_beams=3, num_return_sequences=2, do_sample=False,
        max_new_tokens=10, min_new_tokens=3,
    )  # fmt: skip
    expected = [text.strip() for text in tokenizer.batch_decode(written, skip_special_tokens=True)]
    captioner = load(name, folder)
    captions = captioner.captions(pixels_of(captioner), UIDS, BEAM)
    assert [caption for of_image in captions for caption in of_image] == expected


def _file(content: bytes) -> Any:
    import io

    return io.BytesIO(content)


def test_bf16_writes_captions(made: tuple[str, Path]) -> None:
    captioner = load(*made, precision="bf16")
    for how in (NUCLEUS, BEAM):
        captions = captioner.captions(pixels_of(captioner), UIDS, how)
        assert {len(of_image) for of_image in captions} == {2}
        assert all(caption for of_image in captions for caption in of_image)


@pytest.fixture(scope="module")
def blip(tmp_path_factory: Any) -> Path:
    return MAKERS["blip"](tmp_path_factory.mktemp("blip"))


def test_a_batch_without_room_is_halved(blip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    captioner = load("blip", blip)
    expected = captioner.captions(pixels_of(captioner), UIDS, NUCLEUS)
    writer: Any = captioner.writer
    whole, sizes = writer.tokens, list[int]()

    def with_room_for_two(images: Any, arguments: Any) -> Any:
        sizes.append(len(images))
        if len(images) > 2:
            raise RuntimeError("CUDA out of memory")
        return whole(images, arguments)

    monkeypatch.setattr(writer, "tokens", with_room_for_two)
    assert captioner.captions(pixels_of(captioner), UIDS, NUCLEUS) == expected
    assert max(sizes) == 7 and sum(size for size in sizes if size <= 2) == 7  # noqa: PT018


ITEMS = [*PHOTOGRAPHS[:3], b"none", None, PHOTOGRAPHS[3], PHOTOGRAPHS[4][:300], None]


def batches(*cuts: int, fault: str | None = None) -> Iterator[pa.RecordBatch]:
    """ITEMS cut at these positions, the last with a fault of its own."""
    columns: dict[str, Any] = {
        "uid": [f"u{k}" for k in range(len(ITEMS))],
        "_item": pa.array(ITEMS, pa.binary()),
        "item_hash": list(range(len(ITEMS))),
    }
    if fault is not None:
        columns["_input_fault"] = pa.array([*[None] * (len(ITEMS) - 1), fault], pa.string())
    rows = pa.RecordBatch.from_pydict(columns)
    for start, end in zip((0, *cuts), (*cuts, len(ITEMS)), strict=True):
        yield rows.slice(start, end - start)


def test_each_image_has_its_captions_or_one_row_with_a_fault(blip: Path) -> None:
    rows_of = partial(Captioning, CaptionModel(str(blip), device="cpu"), NUCLEUS)
    rows = pa.Table.from_batches(caption_images(rows_of(16))(batches(fault="json_broken")))
    assert rows.schema.names == COLUMNS.names
    by_uid: dict[str, list[tuple[Any, ...]]] = {}
    for row in rows.to_pylist():
        by_uid.setdefault(row["uid"], []).append(tuple(row.values())[1:])
    sound = {"u0", "u1", "u2", "u5"}
    assert {uid for uid, of in by_uid.items() if [row[0] for row in of] == [0, 1]} == sound
    assert {row[3] for uid in sound for row in by_uid[uid]} == {None}
    assert all(row[1] for uid in sound for row in by_uid[uid])
    faults = {"u3": "image_format", "u4": "null", "u6": "image_broken", "u7": "json_broken"}
    for uid, fault in faults.items():
        assert by_uid[uid] == [(0, None, int(uid[1:]), fault)]
    for size, cuts in ((1, ()), (2, (3,)), (3, (1, 2, 6))):
        others = pa.Table.from_batches(
            caption_images(rows_of(size))(batches(*cuts, fault="json_broken"))
        )
        assert others.to_pylist() == rows.to_pylist()
    no_input_faults = [*caption_images(rows_of(4))(batches())]
    assert no_input_faults[-1].to_pylist()[-1]["fault"] == "null"
    assert [*caption_images(rows_of(4))(iter(()))] == []


class TestModels:
    def test_what_is_no_captioner_is_refused(self, blip: Path, tmp_path: Path) -> None:
        for change, message in (
            ({"model_type": "clip"}, "the architecture 'clip' writes no captions of images here"),
            ({"architectures": ["BlipForQuestionAnswering"]}, "is a BlipForQuestionAnswering"),
        ):
            folder = tmp_path / str(len(message))
            shutil.copytree(blip, folder)
            config = json.loads((folder / "config.json").read_text())
            (folder / "config.json").write_text(json.dumps(config | change))
            with pytest.raises(ModelError, match=message):
                caption_model_files(CaptionModel(str(folder)))

    def test_files_that_are_missing_or_unsafe(self, blip: Path, tmp_path: Path) -> None:
        pickled = tmp_path / "pickled"
        shutil.copytree(blip, pickled)
        (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
        listed = tmp_path / "listed"
        listed.mkdir()
        (listed / "config.json").write_text("[]")
        for model, message in (
            (CaptionModel(str(pickled)), "no pickle is loaded"),
            (CaptionModel(str(tmp_path / "gone")), "gone has no config.json"),
            (CaptionModel(str(listed)), "is no JSON object"),
            (CaptionModel(str(blip), revision="main"), "only models on the hub have a revision"),
            (CaptionModel(str(blip), weights="x"), "holds its own weights"),
            (CaptionModel("open_clip:no-such"), "open_clip knows no such model"),
            (CaptionModel("open_clip:ViT-B-32"), "such as open_clip:coca_ViT-L-14"),
            (CaptionModel("open_clip:coca_roberta-ViT-B-32"), "writes no captions"),
            (CaptionModel(f"open_clip:{tmp_path}"), "has no open_clip_config.json"),
            (CaptionModel("open_clip:coca_ViT-B-32"), "give `weights`"),
        ):
            with pytest.raises(ModelError, match=message):
                caption_model_files(model)

    def test_a_damaged_checkpoint_is_one_line(self, blip: Path, tmp_path: Path) -> None:
        damaged = tmp_path / "damaged"
        shutil.copytree(blip, damaged)
        (damaged / "model.safetensors").write_bytes(b"none")
        with pytest.raises(ModelError, match="cannot be loaded") as fault:
            load("blip", damaged)
        assert "\n" not in str(fault.value)

    def test_architectures(self, made: tuple[str, Path]) -> None:
        name, folder = made
        prefix = "open_clip:" if name == "coca" else ""
        assert architecture_of(CaptionModel(f"{prefix}{folder}")) == name


def test_captions_are_as_long_as_a_model_can_write(made: tuple[str, Path]) -> None:
    """The last token that has a place, and one line for a caption that might be longer."""
    captioner = load(*made)
    most = captioner.writer.most_tokens
    assert most is not None
    longest = Decoding("beam", num_beams=1, min_length=most, max_length=most)
    captioner.refuse_longer(longest)
    pixels = pixels_of(captioner, PHOTOGRAPHS[:1])
    [[caption]] = captioner.captions(pixels, UIDS[:1], longest)
    assert caption
    with pytest.raises(ModelError, match=f"writes {most} tokens at most, max_length is {most + 1}"):
        captioner.refuse_longer(replace(longest, max_length=most + 1))


def test_labels_tell_what_changes_captions() -> None:
    assert NUCLEUS.label() == replace(NUCLEUS, num_beams=9).label()
    assert BEAM.label() == replace(BEAM, seed=9, top_p=0.1, temperature=9.0).label()
    labels = {
        how.label()
        for how in (
            NUCLEUS, BEAM, replace(NUCLEUS, seed=1), replace(NUCLEUS, top_p=0.5),
            replace(NUCLEUS, temperature=1.0), replace(NUCLEUS, captions=1),
            replace(BEAM, num_beams=4), replace(BEAM, max_length=9), replace(BEAM, min_length=2),
        )
    }  # fmt: skip
    assert len(labels) == 9
    seeds = {caption_seed(s, u, n) for s in range(3) for u in ("u1", "u11") for n in range(12)}
    assert len(seeds) == 3 * 2 * 12
