"""Read and write the field's file formats: captions, concept banks, embeddings, matches, labels."""
