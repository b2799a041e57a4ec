"""Background maintenance of the job store and the object store, in every gateway and worker."""
