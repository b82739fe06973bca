"""The deterministic pipeline: from one second of audio to the slots of its 2040 bits, the same on both ends.

`moore_glasberg` (masking) → `features` (quantised, by the `rules` of a profile) → `adaptive_bit_allocation`
(significance, bits, slots), seeded by `sync_anchors`; `micro_chunking` looks at 15 ms at a time;
`ingest_and_chunk` writes and reads whole seconds; `parity` compares what two versions of the audio lead to.
"""
