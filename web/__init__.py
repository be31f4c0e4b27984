"""People and programs over HTTP: pages, JSON routes, DICOMweb."""
