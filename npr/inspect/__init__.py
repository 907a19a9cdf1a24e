"""Where in time and in which unit the gradient of a recurrent network lives or dies."""
