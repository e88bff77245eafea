"""What models are built from: one file per stored weight format, rotary embedding, the KV cache."""
