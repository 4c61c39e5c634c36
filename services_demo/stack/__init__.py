# SPDX-License-Identifier: Apache-2.0
"""
The company on one machine without containers: real parts, started and kept alive.

`layout` says where things lie and on which ports, `programs` what is started, `control`
talks to the supervisor, `launch` brings it up and down, `demo` is the main job.
"""
