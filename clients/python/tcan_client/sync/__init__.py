"""The blocking client, generated from `tcan_client.aio`."""
