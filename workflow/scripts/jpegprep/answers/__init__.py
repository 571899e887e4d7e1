"""What a study will take and took, and the recommendation for a user's own images."""
