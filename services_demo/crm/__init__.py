# SPDX-License-Identifier: Apache-2.0
"""Where sales look after customers, and customers get told."""
