"""Articles, their pictures, and a daily digest."""
