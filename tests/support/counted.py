"""Every instrument of ours counts once, with labels as they are."""

from account_reviews.telemetry import instruments


def count_everything() -> None:
    """Each function once."""
    instruments.tool_started("crm.read_back", "AccountReview")
    instruments.tool_ended("crm.read_back", "AccountReview", 0.1, "CrmError")
    instruments.task_started("analysis.analyse", "AccountReview")
    instruments.task_ended("analysis.analyse", "AccountReview", 0.1, "ValueError")
    instruments.session_ended("on_demand", "failed", 1.0)
    instruments.session_anomaly("failed_again")
    instruments.account_processed()
    instruments.recommendation_generated("escalation", "high", 0.5)
    instruments.recommendations_took(0.1)
    instruments.recommendation_accepted("escalation")
    instruments.recommendation_rejected("escalation", "expired")
    instruments.approval_decided("approved", 60.0)
    instruments.schedule_run("weekly-reviews", "missed", 5.0)
    instruments.crm_rate_limited()
    instruments.memory_stray("account")
    instruments.crm_limit_remaining("crm", 0.5)
    instruments.audit_rows_written(1, "history")
    instruments.audit_waiting(1)
    instruments.audit_rows_dropped(1)
    instruments.audit_failed("export", "OSError")
    instruments.audit_gap()
    instruments.reviews_gone()
    instruments.audit_lag(0.1, "history")
    instruments.notice_tried("email", "request", "sent")
    instruments.webhook_answered("zoho", "accepted")
    instruments.event_followed("started")
    instruments.hook_ended("theirs")
    instruments.hook_failed("theirs", "raised")
