"""The events of an account: its orders and its futures balance."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

from rxfeed.core.matching import SIZE_UNIT, Product, size_text
from rxfeed.sim.coinbase_advanced.texts import plain, trimmed, trimmed_time
from rxfeed.sim.own_orders import OwnOrder

BATCH = 50  # orders of a snapshot's message; one with fewer is its last
FEE = Decimal("0.004")
PORTFOLIO = "00000000-0000-4000-8000-0000000000aa"
NEVER = "0001-01-01T00:00:00Z"


def snapshots(orders: Iterable[OwnOrder]) -> Iterator[dict[str, object]]:
    """The events of a snapshot; an empty one comes last if all others are full."""
    states = [_state(order) for order in orders]
    for start in range(0, len(states) + 1, BATCH):
        yield _event("snapshot", states[start : start + BATCH])


def update(order: OwnOrder) -> dict[str, object]:
    """The event of a changed order."""
    return _event("update", [_state(order)])


def _event(type: str, orders: list[dict[str, str]]) -> dict[str, object]:
    positions: dict[str, list[object]] = {"perpetual_futures_positions": [], "expiring_futures_positions": []}
    return {"type": type, "orders": orders, "positions": positions}


def _state(order: OwnOrder) -> dict[str, str]:
    product = Product(order.product_id)
    scale = 10**product.decimals
    value = Decimal(order.value) / (scale * SIZE_UNIT)
    average = Decimal(order.value) / order.filled / scale if order.filled else Decimal(0)
    fees = value * FEE
    left = 0 if order.done else order.size - order.filled
    hold = Decimal(left * order.price) / (scale * SIZE_UNIT) if order.price and order.side == "buy" else Decimal(0)
    after_fees = value + fees if order.side == "buy" else value - fees
    return {
        "avg_price": plain(round(average, 8)),
        "cancel_reason": "User requested cancel" if order.status == "CANCELLED" else "",
        "client_order_id": order.client_order_id,
        "completion_percentage": f"{100 * order.filled / order.size:.2f}",
        "contract_expiry_type": "UNKNOWN_CONTRACT_EXPIRY_TYPE",
        "cumulative_quantity": trimmed(size_text(order.filled)),
        "filled_value": plain(value),
        "leaves_quantity": trimmed(size_text(left)),
        "limit_price": "" if order.price is None else trimmed(product.price_text(order.price)),
        "number_of_fills": str(order.fills),
        "order_id": order.order_id,
        "order_side": order.side.upper(),
        "order_type": "Market" if order.price is None else "Limit",
        "outstanding_hold_amount": plain(hold),
        "post_only": "false",
        "product_id": order.product_id,
        "product_type": "SPOT",
        "reject_reason": "",
        "retail_portfolio_id": PORTFOLIO,
        "risk_managed_by": "UNKNOWN_RISK_MANAGEMENT_TYPE",
        "status": order.status,
        "stop_price": "",
        "time_in_force": "IMMEDIATE_OR_CANCEL" if order.price is None else "GOOD_UNTIL_CANCELLED",
        "total_fees": plain(fees),
        "total_value_after_fees": plain(after_fees),
        "trigger_status": "INVALID_ORDER_TYPE",
        "creation_time": trimmed_time(order.created),
        "end_time": NEVER,
        "start_time": NEVER,
    }


def futures_balance(type: str) -> dict[str, object]:
    """The event of an account without futures."""
    amounts = (
        "futures_buying_power",
        "total_usd_balance",
        "cbi_usd_balance",
        "cfm_usd_balance",
        "total_open_orders_hold_amount",
        "unrealized_pnl",
        "daily_realized_pnl",
        "initial_margin",
        "available_margin",
        "liquidation_threshold",
        "liquidation_buffer_amount",
    )
    balances = {"futures_buying_power": "10000", "total_usd_balance": "10000", "cbi_usd_balance": "10000"}
    summary: dict[str, object] = {name: balances.get(name, "0") for name in amounts}
    summary["liquidation_buffer_percentage"] = "1000"
    summary["intraday_margin_window_measure"] = _window("FCM_MARGIN_WINDOW_TYPE_INTRADAY")
    summary["overnight_margin_window_measure"] = _window("FCM_MARGIN_WINDOW_TYPE_OVERNIGHT")
    return {"type": type, "fcm_balance_summary": summary}


def _window(type: str) -> dict[str, str]:
    return {
        "margin_window_type": type,
        "margin_level": "MARGIN_LEVEL_TYPE_BASE",
        "initial_margin": "0",
        "maintenance_margin": "0",
        "liquidation_buffer_percentage": "1000",
        "total_hold": "0",
        "futures_buying_power": "10000",
    }
