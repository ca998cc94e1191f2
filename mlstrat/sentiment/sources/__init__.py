"""Texts from elsewhere: news, posts and indexes, each behind the same limits and without a key in sight."""
