# SPDX-License-Identifier: Apache-2.0
"""
The demo's notification page: whom Alertmanager tells, and where a person reads it.

It uses the standard library, so that it costs little beside the stack that it watches.
"""
