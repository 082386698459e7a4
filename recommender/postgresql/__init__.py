"""Django's PostgreSQL backend with bounded waits (`recommender.deadlines`)."""
