# SPDX-License-Identifier: Apache-2.0
"""
The users that locust runs.

`python -m services_demo.traffic` starts them, and `locust -f` on this file works too. Importing it
imports locust, which patches the whole process for gevent: only those two commands may do so.
"""

from services_demo.traffic.customers import Customer
from services_demo.traffic.staff import Operator, Sales

__all__ = ["Customer", "Operator", "Sales"]
