"""Webhooks as specified by Standard Webhooks: signing, schedule, delivery."""
