# SPDX-License-Identifier: Apache-2.0
"""The Internet Shop: customers upload 3D models, edit them and order."""
