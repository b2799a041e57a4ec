"""Use cases of a job: submission, idempotency, inputs and the policy check."""
