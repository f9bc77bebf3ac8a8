"""News: people submit links and questions, vote and discuss; a public formula decides what all see first."""
