# SPDX-License-Identifier: Apache-2.0
"""What the traffic has achieved so far: counted while it runs, printed now and then."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Scoreboard:
    """Counts of one run; users add to them, the command prints them."""

    placed: int = 0
    priced: int = 0
    finished: int = 0
    cancelled: int = 0
    requests: int = 0
    errors: int = 0
    first_error: str = ""
    # How long the shop took for each order since the last progress line.
    _creation_ms: list[float] = field(default_factory=list)

    def add_request(self, name: str, milliseconds: float, error: str = "") -> None:
        """Count one request; `name` is method and route, `error` what went wrong and where."""
        self.requests += 1
        if error:
            self.errors += 1
            self.first_error = self.first_error or error
        elif name == "POST /orders":
            self._creation_ms.append(milliseconds)

    @property
    def nothing_worked(self) -> bool:
        """Whether things were tried and no order came of it."""
        return self.placed == 0 and self.errors > 0

    def progress(self, seconds: float) -> str:
        """Return one line on how it goes, with the order creation latency since the last line."""
        p95 = _percentile_95(self._creation_ms)
        self._creation_ms.clear()
        latency = "-" if p95 is None else f"{p95:.0f} ms"
        return (
            f"{seconds:5.0f} s  orders {self.placed} placed, {self.priced} priced,"
            f" {self.finished} finished  |  {self.errors} errors  |  order creation p95 {latency}"
        )

    def summary(self, seconds: float, missed: int) -> str:
        """Return the closing report; `missed` orders found no customer who was free."""
        rate = 60 * self.placed / seconds if seconds else 0.0
        lines = [
            f"traffic: {seconds:.0f} s, {self.requests} requests, {self.errors} errors.",
            (
                f"Orders: {self.placed} placed ({rate:.1f} a minute), {self.priced} priced,"
                f" {self.cancelled} cancelled by the customer, {self.finished} finished."
            ),
        ]
        if missed:
            lines.append(
                f"{missed} orders were given up: every customer was still busy with an earlier one."
            )
        if self.first_error:
            lines.append(f"First error: {self.first_error}")
        if self.nothing_worked:
            lines.append(
                "No order could be placed. Are the services up? Start them with `make demo`,"
                " or give their addresses with --shop --mes --crm."
            )
        return "\n".join(lines)


def _percentile_95(values: list[float]) -> float | None:
    """Return the nearest-rank 95th percentile, None of nothing."""
    ranked = sorted(values)
    return ranked[max(0, -(-len(ranked) * 95 // 100) - 1)] if ranked else None
