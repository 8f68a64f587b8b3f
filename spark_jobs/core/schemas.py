"""All column names and table schemas of captionlake."""

from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    BooleanType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

UID = "uid"
CAPTION = "caption"
URL = "url"
WIDTH = "width"
HEIGHT = "height"
NSFW = "nsfw"
PUNSAFE = "punsafe"
SIMILARITY = "similarity"
LICENSE = "license"
LANG = "lang"
SOURCE = "source"

ENTRY_ID = "entry_id"
ENTRY = "entry"
WNID = "wnid"
LEMMA = "lemma"
GLOSS = "gloss"
CLASS_IDX = "class_idx"
LEMMAS = "lemmas"
CAPTION_COUNT = "caption_count"
FILEPATH = "filepath"
DATASET = "dataset"
QUERY = "query"
CLASS_NAME = "class_name"
LABEL = "label"
FAULT = "fault"

ENTRY_IDS = "entry_ids"
SPANS = "spans"
ENTRY_COUNT = "entry_count"
KEEP_PROBABILITY = "keep_probability"
KEPT_COUNT = "kept_count"

CAPTION_ID = "caption_id"
QUERY_ID = "query_id"
CAPTION_SOURCE = "caption_source"
STRATEGY = "strategy"

KEY = "key"
IMAGE = "image"
SHA256 = "sha256"
PATH = "path"

ITEM_HASH = "item_hash"
EMBEDDING = "embedding"
MODEL = "model"
WEIGHTS = "weights"

QUERY_TYPE = "query_type"
QUERY_KEY = "query_key"
SCORE = "score"
COUNT = "count"
RANK = "rank"
PREDICTED = "predicted"
ROWS = "rows"
CLASSES = "classes"
CLASS_SIMILARITY = "class_similarity"
CLASS = "class"
TARGET = "target"
AVAILABLE = "available"
TAKEN = "taken"
SHORT = "short"
TAKEN_FROM = "taken_from"
LABEL_ORI = "label_ori"
IC_INDEX = "ic_index"

T = "t"
EXPECTED_ROWS = "expected_rows"
EXPECTED_MATCHES = "expected_matches"
EXPECTED_BYTES = "expected_bytes"
DRAWS = "draws"
WRITTEN = "written"
DRAWS_WON = "draws_won"
CAPTION_BYTES = "caption_bytes"
CAPTION_ROWS = "caption_rows"
TAIL_FRACTION = "tail_fraction"
KEPT_TAIL_FRACTION = "kept_tail_fraction"
HEAD_ENTRIES = "head_entries"

IN_A, IN_B, IN_BOTH = "in_a", "in_b", "in_both"
NAME = "name"
DRAW = "draw"

CONCEPT = "concept"
OCCURRENCE = "occurrence"
N = "n"

STEP = "step"
KEPT = "kept"
RULE = "rule"
VALUE = "value"
THRESHOLD = "threshold"

CLUSTER = "cluster"
NEAR_TARGET = "near_target"
CAPTIONS_LIST = "captions"
SOURCES = "sources"
WEIGHT = "weight"

GROUP = "group"
BENCHMARK = "benchmark"
ITEM = "item"
MEASURE = "measure"
AT, LOW, HIGH, N = "at", "low", "high", "n"
MEAN, MEAN_DIFFERENCE = "mean", "difference"
DIFFERENCE_LOW, DIFFERENCE_HIGH = "difference_low", "difference_high"

RUN_ID = "run_id"
JOB = "job"
REASON = "reason"

NOT_IN_DELTA_NAMES = " ,;{}()\n\t="  # characters that Delta refuses in column names

# Columns of a captions table that have a fixed meaning, in the order in which ingest writes them.
CAPTION_COLUMNS = StructType(
    [
        StructField(UID, StringType(), nullable=False),
        StructField(CAPTION, StringType(), nullable=False),
        StructField(URL, StringType()),
        StructField(WIDTH, IntegerType()),
        StructField(HEIGHT, IntegerType()),
        StructField(NSFW, StringType()),
        StructField(PUNSAFE, FloatType()),
        StructField(SIMILARITY, FloatType()),
        StructField(LICENSE, StringType()),
        StructField(LANG, StringType()),
        StructField(SOURCE, StringType()),
        StructField(CAPTION_ID, IntegerType()),
        StructField(CAPTION_SOURCE, StringType()),
        StructField(ENTRY_IDS, ArrayType(IntegerType())),
    ]
)
CAPTIONS = StructType([StructField(UID, StringType()), StructField(CAPTION, StringType())])

CAPTIONS_WITH_LANG = StructType([*CAPTIONS.fields, StructField(LANG, StringType())])

UIDS = StructType([CAPTIONS[UID]])

EMPTY = StructType([])  # required columns of a reader that takes any table

CONCEPT_BANK = StructType(
    [
        StructField(ENTRY_ID, IntegerType()),
        StructField(ENTRY, StringType()),
        StructField(LANG, StringType()),
        StructField(SOURCE, StringType()),
        StructField(WNID, StringType()),
        StructField(LEMMA, StringType()),
        StructField(GLOSS, StringType()),
        StructField(CLASS_IDX, IntegerType()),
        StructField(COUNT, LongType()),  # in the corpus that the entry comes from, or its views
        StructField(SCORE, DoubleType()),  # PMI of a bigram
        StructField(FAULT, StringType()),  # null, duplicate, empty, never_matches
    ]
)
# N-grams and titles of a corpus: what counted each, how often it occurs, and PMI of a bigram.
NGRAMS = StructType([CONCEPT_BANK[name] for name in (LANG, ENTRY, SOURCE, COUNT, SCORE)])
# The same with what kept each out of a bank: `rule`, which compares `value` with `threshold`.
NGRAM_DECISIONS = StructType(
    [
        *NGRAMS.fields,
        StructField(KEPT, BooleanType()),
        StructField(RULE, StringType()),
        StructField(VALUE, DoubleType()),
        StructField(THRESHOLD, DoubleType()),
    ]
)
# Entries of banks a and b; count and score: of a, else of b.
BANK_DIFFERENCE = StructType(
    [
        StructField(LANG, StringType()),
        StructField(ENTRY, StringType()),
        StructField(IN_A, BooleanType()),
        StructField(IN_B, BooleanType()),
        StructField(COUNT, LongType()),
        StructField(SCORE, DoubleType()),
    ]
)
ENTRIES = StructType([StructField(ENTRY_ID, IntegerType()), StructField(ENTRY, StringType())])

MATCHES = StructType(
    [StructField(UID, StringType()), StructField(ENTRY_IDS, ArrayType(IntegerType()))]
)
# Half-open range [start, end) in code points: caption[start:end] in Python is the match.
_FROM_TO = [StructField("start", IntegerType()), StructField("end", IntegerType())]
MATCH_SPANS = StructType(
    [StructField(SPANS, ArrayType(StructType([StructField(ENTRY_ID, IntegerType()), *_FROM_TO])))]
)
LEMMA_SPANS = StructType(
    [StructField(SPANS, ArrayType(StructType([StructField(LEMMA, StringType()), *_FROM_TO])))]
)
WEIGHED_MATCHES = StructType([*MATCHES.fields, StructField(KEEP_PROBABILITY, DoubleType())])
ENTRY_COUNTS = StructType(
    [*ENTRIES.fields, StructField(LANG, StringType()), StructField(ENTRY_COUNT, LongType())]
)
COUNTED_IDS = StructType(
    [StructField(ENTRY_ID, IntegerType()), StructField(ENTRY_COUNT, LongType())]
)
ENTRY_PROBABILITIES = StructType(
    [
        *ENTRY_COUNTS.fields,
        StructField(T, LongType()),
        StructField(KEEP_PROBABILITY, DoubleType()),
        StructField(KEPT_COUNT, LongType()),
    ]
)

# CHECK constraints of Delta, keyed by the columns that a table must have to get one; the first is
# the column checked. `score` is checked only beside `query_type`, that is in our score tables.
CHECKS = {
    (UID,): "uid IS NOT NULL",
    (ENTRY_ID,): "entry_id >= 0",  # Delta refuses null as well
    (ENTRY_COUNT,): "entry_count >= 0",
    (KEPT_COUNT,): "kept_count >= 0",
    (CAPTION_COUNT,): "caption_count >= 0",
    (KEEP_PROBABILITY,): "keep_probability > 0 AND keep_probability <= 1",
    # Refuses NaN, which Spark orders above all numbers.
    (SCORE, QUERY_TYPE): "score IS NULL OR score BETWEEN -1.001 AND 1.001",
}

REJECTED = StructType(
    [
        StructField(RUN_ID, StringType()),
        StructField(JOB, StringType()),
        StructField(REASON, StringType()),
        StructField(UID, StringType()),
        StructField("row", StringType()),  # the input row as JSON
        StructField("raw", BinaryType()),  # the row's bytes, if they are not valid UTF-8
    ]
)
# Expected result of balancing at t: rows kept, their matches, their caption bytes. draws_won:
# expected number of matches whose own draw keeps the caption, the sum of p over all matches.
EXPECTED = StructType(
    [
        StructField(T, LongType()),
        *(
            StructField(name, DoubleType())
            for name in (EXPECTED_ROWS, EXPECTED_MATCHES, EXPECTED_BYTES, DRAWS_WON)
        ),
    ]
)
PLAN = StructType(
    [
        StructField(T, LongType()),
        StructField(EXPECTED_ROWS, LongType()),
        StructField(EXPECTED_BYTES, LongType()),  # null without a captions table
        # Share of matches in the tail: entries that at most t captions match.
        StructField(TAIL_FRACTION, DoubleType()),
        StructField(KEPT_TAIL_FRACTION, DoubleType()),  # the same among matches of kept captions
        StructField(HEAD_ENTRIES, LongType()),  # number of head entries: of more than t
    ]
)
# Rows of subsets a and b by concept or class; entry_id is null if grouped by another column.
DIFFERENCE = StructType(
    [
        StructField(ENTRY_ID, IntegerType()),
        StructField(NAME, StringType()),
        *(StructField(name, LongType()) for name in (IN_A, IN_B, IN_BOTH)),
    ]
)

# Columns that label-synsets adds to a caption: its synset, the synset's index in the class list,
# and the lemmas found in the caption.
LABELS = StructType(
    [
        StructField(WNID, StringType()),
        StructField(CLASS_IDX, IntegerType()),
        StructField(LEMMAS, ArrayType(StringType())),
    ]
)
CAPTIONS_WITH_WNID = StructType([*CAPTIONS.fields, LABELS[WNID]])
LABELLED = StructType([*CAPTIONS_WITH_WNID.fields, LABELS[LEMMAS]])

# Columns that search-substrings adds to a caption: the data set and class that it matched.
QUERIES = StructType([StructField(DATASET, StringType()), StructField(QUERY, StringType())])
# Prompts of classes, in the column `caption` so that embed-texts reads them like captions.
QUERY_TEXTS = StructType(
    [StructField(QUERY_ID, StringType()), StructField(CAPTION, StringType()), *QUERIES.fields]
)
# Number of captions per data set and class, zeros included.
CLASS_COUNTS = StructType(
    [
        StructField(DATASET, StringType()),
        StructField(CLASS_IDX, IntegerType()),
        StructField(CLASS_NAME, StringType()),
        StructField(CAPTION_COUNT, LongType()),
    ]
)
# Number of captions per synset (lemma null) and per lemma of a synset.
LABEL_COUNTS = StructType(
    [
        StructField(WNID, StringType()),
        StructField(CLASS_IDX, IntegerType()),
        StructField(LEMMA, StringType()),
        StructField(CAPTION_COUNT, LongType()),
    ]
)

# Rows per class of a subset: target, available and taken per source, total (rows), short of target.
CLASS_FREQUENCIES = StructType(
    [
        StructField(CLASS, StringType()),
        StructField(CLASS_IDX, IntegerType()),
        StructField(CLASS_NAME, StringType()),
        StructField(TARGET, LongType()),  # null without target counts
        StructField(AVAILABLE, ArrayType(LongType())),
        StructField(TAKEN, ArrayType(LongType())),
        StructField(ROWS, LongType()),
        StructField(SHORT, LongType()),
    ]
)

# A unit vector per row, or `fault`, the reason why there is none. item_hash: hash of the embedded
# item; weights: digest of the model's files. Key columns come before: uid (caption_id) or query_id.
EMBEDDINGS = StructType(
    [
        StructField(ITEM_HASH, LongType()),
        StructField(EMBEDDING, ArrayType(FloatType())),
        StructField(MODEL, StringType()),
        StructField(WEIGHTS, StringType()),
        StructField(FAULT, StringType()),
    ]
)
# A row per caption and query; wnid is null if captions are compared with images.
SCORES = StructType(
    [
        StructField(UID, StringType()),
        StructField(WNID, StringType()),
        StructField(MODEL, StringType()),
        StructField(WEIGHTS, StringType()),
        StructField(QUERY_TYPE, StringType()),
        StructField(QUERY_KEY, StringType()),
        StructField(SCORE, FloatType()),
    ]
)
VECTORS = StructType([EMBEDDINGS[name] for name in (EMBEDDING, MODEL, WEIGHTS)])

# Rows at or above a threshold, their classes, and the mean over classes of each class's mean score.
SIMILARITY_PLAN = StructType(
    [
        StructField(THRESHOLD, DoubleType()),
        StructField(ROWS, LongType()),
        StructField(CLASSES, LongType()),
        StructField(CLASS_SIMILARITY, DoubleType()),
    ]
)
# An encoded image per row, or `fault`, the reason why there is none. key: its name where it was
# read, such as `00000/000000012` or `tench/1.jpg`. width, height: in pixels; sha256: of the bytes.
IMAGES = StructType(
    [
        StructField(UID, StringType()),
        StructField(KEY, StringType()),
        StructField(IMAGE, BinaryType()),
        StructField(WIDTH, IntegerType()),
        StructField(HEIGHT, IntegerType()),
        StructField(SHA256, StringType()),
        StructField(FAULT, StringType()),
    ]
)
# Pictures that make-demo-images draws; shape: the class.
DEMO_IMAGES = StructType(
    [
        StructField(UID, StringType()),
        StructField(CAPTION, StringType()),
        StructField("shape", StringType()),
        StructField(IMAGE, BinaryType()),
    ]
)
# What became of the download of an image, a row per attempt. status: downloaded or failed; cause:
# one of udfs.images.fetch.CAUSES. width, height: as written; sha256, bytes: of what was fetched.
DOWNLOADS = StructType(
    [
        StructField(UID, StringType()),
        StructField(URL, StringType()),
        StructField("attempt", IntegerType()),
        StructField("status", StringType()),
        StructField("cause", StringType()),
        StructField("http_status", IntegerType()),
        StructField("message", StringType()),
        StructField(WIDTH, IntegerType()),
        StructField(HEIGHT, IntegerType()),
        StructField(SHA256, StringType()),
        StructField("bytes", LongType()),
        StructField("shard", IntegerType()),
        StructField(KEY, StringType()),
    ]
)
# A row per try of a caption that a model was asked for. occurrence: which of the equal entries of
# the bank, n: which of the concept's captions, both from 0; sampling, checks: JSON. status:
# accepted, refused (cause: one of udfs.captioning.checks.REFUSALS), failed (of
# server_faults.CAUSES there).
GENERATIONS = StructType(
    [
        StructField(CONCEPT, StringType()),
        StructField(OCCURRENCE, IntegerType()),
        StructField(N, IntegerType()),
        StructField("prompt_sha256", StringType()),
        StructField("backend", StringType()),
        StructField(MODEL, StringType()),
        StructField("sampling", StringType()),
        StructField("checks", StringType()),
        StructField("attempt", IntegerType()),
        StructField("status", StringType()),
        StructField("cause", StringType()),
        StructField("message", StringType()),
        StructField(CAPTION, StringType()),
        StructField("prompt_tokens", LongType()),
        StructField("completion_tokens", LongType()),
        StructField("seconds", DoubleType()),
    ]
)
# A caption that a model wrote of an image, a row per caption; or `fault`, the reason why the image
# has none, in one row. strategy: JSON of how it was decoded; item_hash, weights: as in EMBEDDINGS.
IMAGE_CAPTIONS = StructType(
    [
        StructField(UID, StringType()),
        StructField(CAPTION_ID, IntegerType()),
        StructField(CAPTION, StringType()),
        StructField(CAPTION_SOURCE, StringType()),
        StructField(MODEL, StringType()),
        StructField(WEIGHTS, StringType()),
        StructField(STRATEGY, StringType()),
        StructField(ITEM_HASH, LongType()),
        StructField(FAULT, StringType()),
    ]
)
# Images that arrange-images wrote as files, `path` below its output; the rest, where it is known,
# from the sample's JSON: width and height of the file, sha256 of the bytes as downloaded.
ARRANGED_IMAGES = StructType(
    [
        StructField(UID, StringType()),
        StructField(KEY, StringType()),
        StructField(CLASS, StringType()),
        StructField(PATH, StringType()),
        StructField(CAPTION, StringType()),
        StructField(URL, StringType()),
        StructField(SIMILARITY, DoubleType()),
        *(
            StructField(name, IntegerType())
            for name in (WIDTH, HEIGHT, "original_width", "original_height")
        ),
        StructField(SHA256, StringType()),
    ]
)
# A row per row of the input. group: smallest uid of the rows that are copies of each other, of
# which one is kept; fault: why the row could not be compared, and so is a group of its own.
DUPLICATES = StructType(
    [
        StructField(UID, StringType()),
        StructField(GROUP, StringType()),
        StructField(KEPT, BooleanType()),
        StructField(FAULT, StringType()),
    ]
)
# A row per row of the input and benchmark that it is in: the benchmark's item nearest to it. value:
# a Hamming distance or an inner product by the measure; null if both are equal by it.
CONTAMINATED = StructType(
    [
        StructField(UID, StringType()),
        StructField(CAPTION_ID, IntegerType()),  # null if a uid has one caption
        StructField(BENCHMARK, StringType()),
        StructField(ITEM, StringType()),
        StructField(MEASURE, StringType()),
        StructField(VALUE, DoubleType()),
    ]
)
# A measure of the captions of a source, or of one of its groups (null: all of them). at: where on a
# curve or histogram it is, null for others. low, high: its interval; n: the captions it is of.
MEASURES = StructType(
    [
        StructField(MEASURE, StringType()),
        StructField(SOURCE, StringType()),
        StructField(GROUP, StringType()),
        *(StructField(name, DoubleType()) for name in (AT, VALUE, LOW, HIGH)),
        StructField(N, LongType()),
    ]
)
# Scores of each caption; null where it has none. fault: why it was not measured at all, or was not
# compared with references.
CAPTION_SCORES = StructType(
    [
        StructField(UID, StringType()),
        StructField(CAPTION_ID, IntegerType()),
        StructField(SOURCE, StringType()),
        StructField(GROUP, StringType()),
        *(
            StructField(name, DoubleType())
            for name in (
                *("words", "bleu_1", "bleu_2", "bleu_3", "bleu_4", "cider"),
                *("cosine_image", "clip_s", "cosine_text", "ref_clip_s"),
            )
        ),
        StructField(FAULT, StringType()),
    ]
)
# A row per step of a training, counted from 1. rows: captions of all processes so far; dev_score:
# Spearman's correlation after the step, where it was evaluated.
TRAINING = StructType(
    [
        StructField(STEP, IntegerType()),
        StructField(ROWS, LongType()),
        *(
            StructField(name, DoubleType())
            for name in ("loss", "learning_rate", "rows_per_s", "dev_score")
        ),
    ]
)
# A row per step of a training by open_clip's trainer that it reports, steps and epochs from 1.
# samples_seen: of all processes until its end; samples_per_s, batch_seconds and data_seconds, those
# of waiting for data: of this step.
CLIP_TRAINING = StructType(
    [
        StructField("epoch", IntegerType()),
        StructField(STEP, IntegerType()),
        StructField("samples_seen", LongType()),
        *(
            StructField(name, DoubleType())
            for name in (
                *("loss", "learning_rate", "samples_per_s", "logit_scale"),
                *("data_seconds", "batch_seconds"),
            )
        ),
    ]
)
# A row per measure of a set of scored pairs or images, or over the sets of a task (all, mean,
# wmean). n: its pairs or images, sentences of uniformity, classes of measures by class; value: null
# where there is none, as all scores are equal.
EVALUATIONS = StructType(
    [
        StructField(MODEL, StringType()),
        StructField(WEIGHTS, StringType()),
        StructField("task", StringType()),
        StructField("set", StringType()),
        StructField(MEASURE, StringType()),
        StructField(VALUE, DoubleType()),
        StructField(N, LongType()),
    ]
)
# A row per measure of the models that were trained on a subset: its mean over them, Student's 95 %
# interval of seeds, and the same of its difference to the first subset, over seeds that both have.
COMPARISONS = StructType(
    [
        *(StructField(name, StringType()) for name in ("subset", "task", "set", MEASURE)),
        StructField("models", IntegerType()),
        *(StructField(name, DoubleType()) for name in (MEAN, LOW, HIGH)),
        *(
            StructField(name, DoubleType())
            for name in (MEAN_DIFFERENCE, DIFFERENCE_LOW, DIFFERENCE_HIGH)
        ),
    ]
)
# A row per image: the class that a zero-shot classifier gives it, and the rank of its own class, 0
# being the first; or `fault`, the reason why there is none.
PREDICTIONS = StructType(
    [
        StructField(UID, StringType()),
        StructField(KEY, StringType()),
        StructField(CLASS, StringType()),
        StructField(PREDICTED, StringType()),
        StructField(RANK, IntegerType()),
        StructField(FAULT, StringType()),
    ]
)
# A row per class of a zero-shot classifier. images: its images with a vector; top1, top5: the share
# of them whose class is first, or among the first five; predicted: images of any class for which it
# is first; frequency: its rows in the training set; part: head, middle or tail.
CLASS_ACCURACIES = StructType(
    [
        StructField(CLASS, StringType()),
        StructField(NAME, StringType()),
        StructField("images", LongType()),
        StructField("top1", DoubleType()),
        StructField("top5", DoubleType()),
        StructField(PREDICTED, LongType()),
        StructField("frequency", LongType()),
        StructField("part", StringType()),
    ]
)
# rank counts from 0, the nearest.
NEIGHBOURS = StructType(
    [
        StructField(QUERY_ID, StringType()),
        StructField(UID, StringType()),
        StructField(RANK, IntegerType()),
        StructField(SIMILARITY, FloatType()),
    ]
)

# The centroid of largest inner product with each row's vector. similarity: that product;
# near_target: whether it is the nearest centroid of a vector of the target set too.
CLUSTERS = StructType(
    [
        StructField(UID, StringType()),
        StructField(CLUSTER, IntegerType()),
        StructField(SIMILARITY, FloatType()),
        StructField(NEAR_TARGET, BooleanType()),
    ]
)
CENTROIDS = StructType(
    [
        StructField(CLUSTER, IntegerType()),
        StructField(ROWS, LongType()),
        StructField(NEAR_TARGET, BooleanType()),
        StructField(EMBEDDING, ArrayType(FloatType())),
    ]
)

# What mix-captions chose for an image, with the row's other columns. caption_source: the source, or
# several with + between; score: its similarity; rule: why it was chosen; captions: where several
# are kept, each with the share of its weight.
WEIGHTED_CAPTIONS = StructType(
    [
        StructField(
            CAPTIONS_LIST,
            ArrayType(
                StructType(
                    [
                        StructField(CAPTION, StringType()),
                        StructField(SOURCE, StringType()),
                        StructField(SCORE, DoubleType()),
                        StructField(WEIGHT, DoubleType()),
                    ]
                )
            ),
        )
    ]
)
MIXED_CAPTIONS = StructType(
    [
        StructField(UID, StringType()),
        StructField(CAPTION, StringType()),
        StructField(CAPTION_SOURCE, StringType()),
        StructField(SCORE, DoubleType()),
        StructField(RULE, StringType()),
        *WEIGHTED_CAPTIONS.fields,
    ]
)

# Why a row was kept or dropped; caption_id is null if a uid has one caption.
DECISIONS = StructType(
    [
        StructField(RUN_ID, StringType()),
        StructField(STEP, StringType()),
        StructField(UID, StringType()),
        StructField(CAPTION_ID, IntegerType()),
        StructField(KEPT, BooleanType()),
        StructField(RULE, StringType()),
        StructField(VALUE, DoubleType()),
        StructField(THRESHOLD, DoubleType()),
    ]
)
RUNS = StructType(
    [
        StructField(RUN_ID, StringType()),
        StructField(JOB, StringType()),
        StructField("settings", StringType()),
        StructField("settings_sha", StringType()),
        StructField("code", StringType()),
        StructField("inputs", StringType()),  # JSON: address -> version
        StructField("outputs", StringType()),  # JSON: setting -> address
        StructField("counts", StringType()),  # JSON: rows in, kept, dropped by reason
        StructField(DRAWS, StringType()),  # JSON: purposes of the run's draws
        StructField(WRITTEN, StringType()),  # JSON: address -> version; file -> bytes@time
        StructField("started", TimestampType()),
        StructField("seconds", DoubleType()),
    ]
)
