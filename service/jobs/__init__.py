"""Use cases of a job: submission, idempotency, inputs, policy and time estimates."""
