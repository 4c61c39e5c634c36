# SPDX-License-Identifier: Apache-2.0
"""
A catalogue compared with a running Prometheus, both ways.

What is asked is in `observe`, what is judged in one module for each kind of check: data in,
findings out. For development and operation: nothing that runs in a service imports it.
"""
