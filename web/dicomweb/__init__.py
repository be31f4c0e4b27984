"""DICOMweb: find studies, read them whole, their metadata, frames and pictures."""
