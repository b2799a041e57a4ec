"""The async client; `tools/generate_sync_client.py` makes `tcan_client.sync` from it."""
