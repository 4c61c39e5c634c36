# SPDX-License-Identifier: Apache-2.0
"""
What can go wrong with the stack, told to a person.

::

    Exception
    └── StackError      a sentence that names the part, what was seen and what to do
        └── NotReady    a part does not answer yet; `launch` goes on asking
"""

from __future__ import annotations


class StackError(Exception):
    """The stack cannot do what was asked; the text says why and what to do."""


class NotReady(StackError):
    """A part does not answer yet; the text says what was seen."""
