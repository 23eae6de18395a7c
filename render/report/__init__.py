"""What people look at: one HTML page about a job, while it runs and after."""
