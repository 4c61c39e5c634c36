# SPDX-License-Identifier: Apache-2.0
"""Measures clients of S3: what botocore calls, what s3transfer moves, and bodies to their end."""
