"""HTTP: the app, what its routes depend on, one router per resource."""
