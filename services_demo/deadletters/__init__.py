# SPDX-License-Identifier: Apache-2.0
"""
What becomes of messages that no service could handle.

The keeper takes each of them from the queue of the dead into a table, where it waits for a
person, who replays or drops it: ``python -m services_demo.deadletters``. A table is searched by
cause, age and trace, and shows a message without taking it away; a queue does neither.
"""
