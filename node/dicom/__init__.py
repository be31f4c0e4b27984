"""DICOM data sets as bytes: a bounded look at them, their texts, digests, JSON and frames."""
