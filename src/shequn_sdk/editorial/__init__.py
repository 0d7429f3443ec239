"""The content calendar: ideas, drafts, slots, queues, approvals; what is approved goes to the delivery ledger."""
