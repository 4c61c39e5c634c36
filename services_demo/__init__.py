# SPDX-License-Identifier: Apache-2.0
"""A jewellery maker in small: Internet Shop, MES and CRM, and the queues between them."""
