"""Data types shared by gateway, worker, client and CLI; needs pydantic only."""
