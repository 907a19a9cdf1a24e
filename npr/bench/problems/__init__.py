"""What each family of cases computes, as plain arrays that every library works on."""
