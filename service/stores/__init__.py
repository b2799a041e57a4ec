"""State of the service: jobs in Redis or Valkey, files in S3 or a local folder."""
