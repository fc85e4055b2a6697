# SPDX-License-Identifier: Apache-2.0
"""Texts of two programs made comparable: what differs only in how bytes are escaped is equal."""

import re

# Escapes of bytes (\xHH, \123), replacement and control characters, and everything beyond ASCII.
_ODD = re.compile(r"(\\x[0-9a-fA-F]{2}|\\[0-9]{3}|\\[\\\"rntvfab]|[^\x20-\x7e])+")


def clean(value):
    """Printable ASCII; each run of anything else becomes one `?`."""
    return _ODD.sub("?", value or "").replace('\\"', '"')


def colons(value):
    """`aa:bb:00` as hexadecimal digits, zeros at the end left out: some programs show octets as
    text, where a closing zero does not show."""
    return strip_zeros((value or "").replace(":", "").lower())


def strip_zeros(digits):
    """Takes pairs of zeros off the end."""
    while digits.endswith("00") and len(digits) % 2 == 0:
        digits = digits[:-2]
    return digits


def ordered(values):
    """One text of a list of values."""
    return " / ".join(values)
