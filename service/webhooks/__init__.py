"""Webhooks to the Standard Webhooks specification: signing, schedule, delivery."""
