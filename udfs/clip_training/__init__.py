"""CLIP models trained by open_clip's own trainer on webdataset shards."""
