# SPDX-License-Identifier: Apache-2.0
"""What the three HTTP APIs promise alike: the shape of errors and pages, the kind of tokens."""
