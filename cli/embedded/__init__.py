"""The service on one machine: broker, gateway and worker as child processes of one command."""
