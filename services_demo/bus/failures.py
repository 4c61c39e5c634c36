# SPDX-License-Identifier: Apache-2.0
"""How a handler says that it does not take a message."""


class Refuse(Exception):
    """This message can never be handled. The reason is logged: no personal data in it."""


class NotYet(Exception):
    """This message cannot be handled yet, but perhaps in a moment: it is tried again."""
