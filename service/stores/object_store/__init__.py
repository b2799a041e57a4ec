"""Objects in S3 or in a local folder."""
