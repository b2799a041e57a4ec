"""Where state lives: jobs in Redis (or Valkey), bytes in S3 or a local folder."""
