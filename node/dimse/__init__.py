"""DICOM on the wire: who may send, how an instance is received and answered for, and sending to others."""
