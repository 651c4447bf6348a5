"""What the marketplace's own files and pages have in common: its name, and its words for how an order ended."""

NAME = "aliexpress"

END_REASONS: dict[str, str] = {
    "buyer_confirm_goods": "confirmed",
    "buyer_accept_goods": "confirmed",
    "buyer_confirm_goods_timeout": "closed: protection-expired",
    "buyer_accept_goods_timeout": "closed: protection-expired",
    "pay_timeout": "closed: payment-timeout",
    "buyer_pay_timeout": "closed: payment-timeout",
    "confirm_payamount_timeout": "closed: payment-timeout",
    "buyer_cancel_notpay_order": "closed: cancelled",
    "buyer_cancel_order": "closed: cancelled",
    "buyer_cancel_order_in_risk": "closed: cancelled",
    "cancel_order_close_trade": "closed: cancelled",
    "send_goods_timeout": "closed: not-shipped",
    "seller_send_goods_timeout": "closed: not-shipped",
    "security_close": "closed-by-security",
    "risk_closed": "closed-by-security",
    "risk_reject_closed": "closed-by-security",
    "suspicious_trade": "closed-by-security",
    "reject_payamount": "closed-by-security",
    "end_issue": "dispute-resolved",
    "seller_accept_issue_no_goods_return": "dispute-resolved: buyer-won",
    "seller_response_issue_timeout": "dispute-resolved: buyer-won",
    "trade_close": "closed: unknown",
    "": "closed: unknown",
}
"""What an end reason says of the closing."""
