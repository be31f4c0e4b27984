"""The texts of a data set written anew in another character set, all of them or none.

An AE that reads one character set only gets texts in that set, in sequences too,
with Specific Character Set saying so. What is no text keeps its bytes; pixel data is not looked at and not copied.

Source: DICOM PS3.3 C.12.1.1.2, PS3.5 6.1.2 and 6.2.
"""

from __future__ import annotations

CHARSETS = ("", "GB18030", "GBK", "ISO_IR 100", "ISO_IR 192", "ISO 2022 IR 58")
"""What texts can be written in; empty: left as they are."""
