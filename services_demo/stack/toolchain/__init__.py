# SPDX-License-Identifier: Apache-2.0
"""Obtains the real components of the native stack, built from files committed here, no Docker.

It runs before the project's virtual environment exists, so it uses the standard library only.
"""
