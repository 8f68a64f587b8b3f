"""Every column name and table schema of captionlake."""

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

ITEM_HASH = "item_hash"
EMBEDDING = "embedding"
MODEL = "model"
WEIGHTS = "weights"

QUERY_TYPE = "query_type"
QUERY_KEY = "query_key"
SCORE = "score"
RANK = "rank"
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

STEP = "step"
KEPT = "kept"
RULE = "rule"
VALUE = "value"
THRESHOLD = "threshold"

RUN_ID = "run_id"
JOB = "job"
REASON = "reason"

NOT_IN_DELTA_NAMES = " ,;{}()\n\t="  # no column of a Delta table has one of these in its name

# The known columns of a captions table, in the order in which an ingest writes them.
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

EMPTY = StructType([])  # what a reader needs that takes any columns

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
        StructField(FAULT, StringType()),  # duplicate, empty, never_matches; null for a sound entry
    ]
)
ENTRIES = StructType([StructField(ENTRY_ID, IntegerType()), StructField(ENTRY, StringType())])

MATCHES = StructType(
    [StructField(UID, StringType()), StructField(ENTRY_IDS, ArrayType(IntegerType()))]
)
# Where each match stands in the caption: its first code point, and the one behind its last.
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

# What holds in every table that has these columns, of which the first is meant: Delta refuses a
# write that breaks it. A `score` may be somebody else's; ours has its query beside it.
CHECKS = {
    (UID,): "uid IS NOT NULL",
    (ENTRY_ID,): "entry_id >= 0",  # a Delta check refuses null too
    (ENTRY_COUNT,): "entry_count >= 0",
    (KEPT_COUNT,): "kept_count >= 0",
    (CAPTION_COUNT,): "caption_count >= 0",
    (KEEP_PROBABILITY,): "keep_probability > 0 AND keep_probability <= 1",
    (SCORE, QUERY_TYPE): "score IS NULL OR score BETWEEN -1.001 AND 1.001",  # NaN is above all
}

REJECTED = StructType(
    [
        StructField(RUN_ID, StringType()),
        StructField(JOB, StringType()),
        StructField(REASON, StringType()),
        StructField(UID, StringType()),
        StructField("row", StringType()),  # the input row as JSON
        StructField("raw", BinaryType()),  # the bytes that are no valid UTF-8, where that is it
    ]
)
# What balancing is expected to keep at t: rows of captions, their matches and caption bytes, and
# how many of the matches would keep their caption alone.
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
        StructField(EXPECTED_BYTES, LongType()),  # null where the captions were not given
        StructField(TAIL_FRACTION, DoubleType()),  # share of matches in entries below t
        StructField(KEPT_TAIL_FRACTION, DoubleType()),  # the same of what is kept
        StructField(HEAD_ENTRIES, LongType()),  # entries above t
    ]
)
# Rows of two subsets by concept or class; entry_id is null where they go by another column.
DIFFERENCE = StructType(
    [
        StructField(ENTRY_ID, IntegerType()),
        StructField(NAME, StringType()),
        *(StructField(name, LongType()) for name in (IN_A, IN_B, IN_BOTH)),
    ]
)

# What label-synsets adds to a caption: its synset, that one's position in the list of classes, and
# the lemmas that were found.
LABELS = StructType(
    [
        StructField(WNID, StringType()),
        StructField(CLASS_IDX, IntegerType()),
        StructField(LEMMAS, ArrayType(StringType())),
    ]
)
CAPTIONS_WITH_WNID = StructType([*CAPTIONS.fields, LABELS[WNID]])
LABELLED = StructType([*CAPTIONS_WITH_WNID.fields, LABELS[LEMMAS]])

# What search-substrings adds to a caption: the data set and the class that it was found for.
QUERIES = StructType([StructField(DATASET, StringType()), StructField(QUERY, StringType())])
# The prompts of classes; embed-texts takes them by their column caption.
QUERY_TEXTS = StructType(
    [StructField(QUERY_ID, StringType()), StructField(CAPTION, StringType()), *QUERIES.fields]
)
# Captions of each class of each data set, those with none too.
CLASS_COUNTS = StructType(
    [
        StructField(DATASET, StringType()),
        StructField(CLASS_IDX, IntegerType()),
        StructField(CLASS_NAME, StringType()),
        StructField(CAPTION_COUNT, LongType()),
    ]
)
# Captions of each synset, lemma null, and of each of its lemmas.
LABEL_COUNTS = StructType(
    [
        StructField(WNID, StringType()),
        StructField(CLASS_IDX, IntegerType()),
        StructField(LEMMA, StringType()),
        StructField(CAPTION_COUNT, LongType()),
    ]
)

# Rows of each class of a subset: wanted, there and taken in each source, taken in all, missing.
CLASS_FREQUENCIES = StructType(
    [
        StructField(CLASS, StringType()),
        StructField(CLASS_IDX, IntegerType()),
        StructField(CLASS_NAME, StringType()),
        StructField(TARGET, LongType()),  # null where nothing was to be matched
        StructField(AVAILABLE, ArrayType(LongType())),
        StructField(TAKEN, ArrayType(LongType())),
        StructField(ROWS, LongType()),
        StructField(SHORT, LongType()),
    ]
)

# One vector of unit length a row, or the reason why there is none. item_hash: what was embedded;
# weights: a digest of the model's files. Beside the key: uid, with caption_id, or query_id.
EMBEDDINGS = StructType(
    [
        StructField(ITEM_HASH, LongType()),
        StructField(EMBEDDING, ArrayType(FloatType())),
        StructField(MODEL, StringType()),
        StructField(WEIGHTS, StringType()),
        StructField(FAULT, StringType()),
    ]
)
# A row per caption and query; wnid is null where an image is what a caption is compared with.
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

# What is at least a threshold: rows, their classes, and the mean over classes of their mean score.
SIMILARITY_PLAN = StructType(
    [
        StructField(THRESHOLD, DoubleType()),
        StructField(ROWS, LongType()),
        StructField(CLASSES, LongType()),
        StructField(CLASS_SIMILARITY, DoubleType()),
    ]
)
# rank 0 is the nearest.
NEIGHBOURS = StructType(
    [
        StructField(QUERY_ID, StringType()),
        StructField(UID, StringType()),
        StructField(RANK, IntegerType()),
        StructField(SIMILARITY, FloatType()),
    ]
)

# Why a row stayed or went; caption_id is null where a uid has one caption.
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
        StructField(DRAWS, StringType()),  # JSON: purposes of the draws that the run made
        StructField(WRITTEN, StringType()),  # JSON: address -> version; file -> bytes@time
        StructField("started", TimestampType()),
        StructField("seconds", DoubleType()),
    ]
)
