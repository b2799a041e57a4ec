"""The job service: everything that holds job state or speaks HTTP. It never imports torch."""
