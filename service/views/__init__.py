"""A job as callers see it: its view, its estimated end, and the bodies of events and webhooks."""
